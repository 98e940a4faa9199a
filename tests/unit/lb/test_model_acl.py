"""Access lists of jobs: every list, description and refusal of the oracle, and what a list permits."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from errno import EINVAL
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsi.gacl import Gacl
from gsi.gacl import Permission as GaclPermission
from gsi.peer import Peer, ProxyKind
from lb.model import machine, ulm
from lb.model.acl import Acl, AclError, Entry
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.jobstate import JobState
from lbrecorded import all_cases
from shared import needs_shared

JOB = JobId("h", 9000, "job")
JO, ANN = "/DC=org/DC=example/CN=Jo Doe", "/DC=org/DC=example/CN=Ann Oh"
READ, TAG = frozenset({"READ"}), frozenset({"TAG"})
FILES = ("examples", "traces", "generated-simple", "generated-other")
NO_ENTRY = [700, EINVAL, "ACL entry doesn't exist"]


def change(user: str, permission: str, kind: str, operation: str, *, id_type: str = "DN") -> Event:
    fields = {
        "user_id": user,
        "user_id_type": id_type,
        "permission": permission,
        "permission_type": kind,
        "operation": operation,
    }
    return Event(EVENTS["ChangeACL"], (0, 0), "h", None, 0, JOB, "", JO, "UserInterface", "", fields)


# ---- the oracle -----------------------------------------------------------------------------------------------------


def statuses(case: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
    """Every status that was recorded, and whether it stands inside that of the parent."""
    asked = [case["status"], *(other["status"] for other in case.get("others", {}).values())]
    for status in filter(None, asked):
        yield status, False
        yield from ((child, True) for child in status.get("children_states", ()))


@dataclass
class Lists:
    """The access lists of the jobs of one case, by job id."""

    acls: dict[str, Acl] = field(default_factory=lambda: defaultdict(Acl))
    jobs: dict[str, JobState] = field(default_factory=dict)
    seen: set[tuple[Any, ...]] = field(default_factory=set)

    def take(self, event: Event) -> None:
        key = (event.jobid, event.type.code, event.host, event.timestamp, event.level, event.user, event.seqcode)
        if key in self.seen:
            return
        name = str(event.jobid)
        if event.name == "ChangeACL":
            self.acls[name] = self.acls[name].change(event)
        else:
            self.apply(name, event)
        self.seen.add(key)

    def apply(self, name: str, event: Event) -> None:
        if event.name == "RegJob" and name not in self.jobs:
            self.acls[name] = self.acls[name].for_services(event.get("wms_dn"))
        job = self.jobs.get(name) or machine.new_status(event.jobid, event.user)
        job = self.jobs[name] = machine.apply(job, event)
        if "PayloadOwnership" in event.name and job.status.payload_owner is not None:
            self.acls[name] = self.acls[name].for_payload_owner(job.status.payload_owner)


def refusals(lists: Lists, case: dict[str, Any], count: Counter[str]) -> Iterator[str]:
    """Events whose answer is not the recorded one; those refused for other reasons never reach the lists."""
    for number, row in enumerate(case["events"]):
        reply = row.get("reply", [0, 0, "OK"])
        if reply not in ([0, 0, "OK"], NO_ENTRY):
            continue
        event = ulm.parse(row["ulm"])
        count["changes"] += event.name == "ChangeACL"
        count["refused"] += reply == NO_ENTRY
        try:
            lists.take(event)
        except AclError as error:
            if [700, error.code, str(error)] != reply:
                yield f"event {number}: {error!r} here"
        else:
            if reply == NO_ENTRY:
                yield f"event {number}: accepted here"


@needs_shared
def test_lists_and_refusals_of_the_original() -> None:
    """All of them; the statuses of subjobs inside that of their parent never show a list."""
    count: Counter[str] = Counter()
    wrong = {}
    for case in all_cases():
        lists = Lists()
        found = list(refusals(lists, case, count))
        for status, inside in statuses(case):
            ours = {} if inside else lists.acls[status["jobId"]].attributes()
            theirs = {name: status[name] for name in ("acl", "access_rights") if name in status}
            count["statuses"] += 1
            count["lists"] += bool(theirs)
            if ours != theirs:
                found.append(f"{status['jobId']}: {theirs} there, {ours} here")
        if found:
            wrong[case["name"]] = found
    print(f"\naccess lists: {dict(count)}, different {len(wrong)}")
    assert not wrong, json.dumps(wrong, indent=1)
    assert count["changes"] >= 186 and count["refused"] == 12 and count["lists"] >= 150


def recorded_lists() -> set[str]:
    return {status["acl"] for case in all_cases() for status, _ in statuses(case) if "acl" in status}


@needs_shared
def test_recorded_lists_are_read_and_written_alike() -> None:
    lists = recorded_lists()
    for text in lists:
        assert Acl.parse(text).to_xml() == text
        assert Gacl.parse(text.encode()).compact() == text, "the other reader of such lists"
    assert len(lists) == 35


# ---- changes --------------------------------------------------------------------------------------------------------


def test_an_equal_entry_is_added_once() -> None:
    once = Acl().change(change(JO, "READ", "ALLOW", "ADD"))
    assert once.change(change(JO, "READ", "ALLOW", "ADD")) is once
    assert once.entries == (Entry("DN", JO, allow=READ),)


def test_other_rights_of_the_same_credential_are_other_entries() -> None:
    acl = Acl().change(change(JO, "TAG", "ALLOW", "ADD")).change(change(JO, "READ", "DENY", "ADD"))
    acl = acl.change(change(JO, "READ", "ALLOW", "ADD", id_type="FQAN"))
    assert acl.entries == (
        Entry("DN", JO, allow=TAG),
        Entry("DN", JO, deny=READ),
        Entry("FQAN", JO, allow=READ),
    )
    assert acl.change(change(JO, "READ", "DENY", "REMOVE")).entries == (acl.entries[0], acl.entries[2])


def test_removing_what_is_not_there() -> None:
    assert Acl().change(change(JO, "READ", "ALLOW", "REMOVE")) == Acl()
    acl = Acl().change(change(JO, "READ", "ALLOW", "ADD"))
    with pytest.raises(AclError, match="^ACL entry doesn't exist$") as caught:
        acl.change(change(JO, "TAG", "ALLOW", "REMOVE"))
    assert caught.value.code == EINVAL


def test_a_list_without_entries_is_still_a_list() -> None:
    assert Acl().attributes() == {}
    acl = Acl().change(change(JO, "READ", "ALLOW", "ADD")).change(change(JO, "READ", "ALLOW", "REMOVE"))
    assert acl.attributes() == {"acl": '<?xml version="1.0"?><gacl version="0.9.0"></gacl>', "access_rights": None}
    assert Acl.parse(acl.to_xml()) == acl
    assert acl.change(change(JO, "READ", "ALLOW", "REMOVE")) == acl


@pytest.mark.parametrize("operation", ["ADD", "REMOVE"])
def test_a_group_changes_nothing(operation: str) -> None:
    acl = Acl().for_payload_owner(JO)
    assert acl.change(change("vo:/vo/group", "READ", "DENY", operation, id_type="GROUP")) is acl


@pytest.mark.parametrize(
    ("field_name", "text"),
    [
        ("user_id_type", "Unknown user type for ACL"),
        ("user_id", "Unknown user type for ACL"),
        ("permission", "Unknown permission for ACL"),
        ("permission_type", "Unknown permission type"),
        ("operation", "Unknown ACL operation requested"),
    ],
)
def test_events_that_lack_a_field(field_name: str, text: str) -> None:
    event = change(JO, "READ", "ALLOW", "ADD")
    del event.fields[field_name]
    with pytest.raises(AclError, match=f"^{text}$"):
        Acl().change(event)


def test_half_a_character_is_nobody() -> None:
    with pytest.raises(AclError):
        Acl().change(change("/CN=\ud800", "READ", "ALLOW", "ADD"))
    assert Acl().for_payload_owner("/CN=\ud800") == Acl().for_services("/CN=\ud800\n") == Acl()


def test_services_end_with_a_line_feed() -> None:
    assert [entry.value for entry in Acl().for_services(f"{JO}\n{ANN}\n").entries] == [JO, ANN]
    assert [entry.value for entry in Acl().for_services(f"{JO}\n\n{JO}\n{ANN}").entries] == [JO]
    assert Acl().for_services(JO) == Acl().for_services("") == Acl().for_services(None) == Acl()


# ---- the forms ------------------------------------------------------------------------------------------------------


def test_description() -> None:
    acl = Acl().for_services(f"{JO}\n{ANN}\n").for_payload_owner(JO)
    acl = acl.change(change("/vo/Role=r", "READ", "DENY", "ADD", id_type="FQAN"))
    acl = acl.change(change("/vo/Role=s", "READ", "DENY", "ADD", id_type="FQAN"))
    assert acl.describe() == (
        f"READ:\n\tallowed: dn:{JO}\n\t\t dn:{ANN}\n\tdenied:  fqan:/vo/Role=r\n\t\t fqan:/vo/Role=s\n"
        f"TAG:\n\tallowed: dn:{JO}\n"
    )
    assert Acl().describe() == ""


values = st.text(min_size=1).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))
bytes_of_lines = st.binary(min_size=1).map(ulm.decode)
entries = st.builds(
    Entry,
    st.sampled_from(["DN", "FQAN"]),
    values | bytes_of_lines,
    st.sampled_from([READ, TAG, READ | TAG, frozenset()]),
    st.sampled_from([READ, TAG, READ | TAG, frozenset()]),
)


@given(st.lists(entries))
def test_what_is_written_is_read_again(found: list[Entry]) -> None:
    acl = Acl(tuple(found), True)
    text = acl.to_xml()
    assert text.isascii()
    assert Acl.parse(text) == acl == Acl.parse(text.encode())


@given(st.text() | st.binary())
def test_anything_is_a_list_or_an_error(document: str | bytes) -> None:
    try:
        acl = Acl.parse(document)
    except AclError:
        return
    assert Acl.parse(acl.to_xml()) == acl


def test_lists_of_older_servers() -> None:
    acl = Acl.parse(
        '<?xml version="1.0"?>\n<gacl version="0.0.1">\n<entry><person><dn>/CN=a b</dn></person><allow><read/></allow>'
        "</entry>\n<entry><voms><fqan>/vo</fqan></voms><deny><read/><write/></deny></entry></gacl>"
    )
    assert acl.entries == (Entry("DN", "/CN=a b", allow=READ), Entry("FQAN", "/vo", deny=READ | TAG))


@pytest.mark.parametrize(
    "inside",
    [
        "<other/>",
        "text",
        "<entry><allow><read/></allow></entry>",
        "<entry>text<cred><auri>dn:/CN=a</auri></cred></entry>",
        "<entry><cred><auri>dn:/CN=a</auri></cred><cred><auri>dn:/CN=b</auri></cred></entry>",
        "<entry><cred><auri>dn:</auri></cred></entry>",
        "<entry><cred><auri>dns:host</auri></cred></entry>",
        "<entry><cred><auri>dn:/CN=a</auri><auri>dn:/CN=b</auri></cred></entry>",
        "<entry><cred><auri>dn:/CN=a<b/></auri></cred></entry>",
        "<entry><any-user/></entry>",
        "<entry><voms-cred><vo>v</vo><group>g</group></voms-cred></entry>",
        "<entry><person><fqan>/vo</fqan></person></entry>",
        "<entry><person><dn> </dn></person></entry>",
        "<entry><cred><auri>dn:/CN=a</auri></cred><allow><exec/></allow></entry>",
        "<entry><cred><auri>dn:/CN=a</auri></cred><allow><read><b/></read></allow></entry>",
        "<entry><cred><auri>dn:/CN=a</auri></cred><allow>all</allow></entry>",
        "<entry><cred><auri>dn:/CN=a</auri></cred><deny/><deny/></entry>",
    ],
)
def test_what_is_not_understood_is_no_list(inside: str) -> None:
    with pytest.raises(AclError) as caught:
        Acl.parse(f"<gacl>{inside}</gacl>")
    assert caught.value.code == EINVAL


# ---- rights ---------------------------------------------------------------------------------------------------------


def test_what_is_granted_and_not_denied() -> None:
    acl = Acl().change(change(JO, "READ", "ALLOW", "ADD"))
    acl = acl.change(change("/vo/g", "TAG", "ALLOW", "ADD", id_type="FQAN"))
    assert acl.permits("READ", JO) and not acl.permits("TAG", JO)
    assert acl.permits("TAG", ANN, ["/vo", "/vo/g"]) and not acl.permits("READ", ANN, ["/vo/g"])
    denied = acl.change(change("/vo/bad", "READ", "DENY", "ADD", id_type="FQAN"))
    assert denied.permits("READ", JO, ["/vo"]) and not denied.permits("READ", JO, ["/vo/bad"])
    assert not Acl().permits("READ", JO)


def test_names_of_one_person_and_one_role() -> None:
    acl = Acl().add(Entry("DN", "/O=x/emailAddress=a@b", allow=READ))
    acl = acl.add(Entry("FQAN", "/vo/Role=NULL/Capability=NULL", allow=TAG))
    assert acl.permits("READ", "/O=x/Email=a@b") and not acl.permits("READ", "/O=x/email=a@b")
    assert acl.permits("TAG", JO, iter(["/vo"])) and acl.permits("TAG", JO, ["/vo/Role=NULL"])
    assert not acl.permits("TAG", JO, ["/vo/Role=NULLX"]) and not acl.permits("TAG", JO, ["/vo/Role=r"])
    assert not acl.permits("READ", "/vo/Role=NULL/Capability=NULL") and not acl.permits("TAG", "/vo")


@given(
    st.lists(
        st.builds(
            change,
            st.sampled_from([JO, ANN, "/vo", "/vo/Role=NULL", "/vo/Role=r", "/vo/g"]),
            st.sampled_from(["READ", "TAG"]),
            st.sampled_from(["ALLOW", "DENY"]),
            st.just("ADD"),
            id_type=st.just("FQAN"),
        )
    ),
    st.sets(st.sampled_from(["/vo", "/vo/Role=r", "/vo/g", "/other"])),
)
def test_the_other_reader_decides_alike(events: list[Event], fqans: set[str]) -> None:
    acl = Acl()
    for event in events:
        is_name = event.fields["user_id"] in (JO, ANN)
        event.fields["user_id_type"] = "DN" if is_name else "FQAN"
        acl = acl.change(event)
    other = Gacl.parse(acl.to_xml().encode())
    peer = Peer(JO, "", ProxyKind.NONE, False, (), datetime(2026, 1, 1, tzinfo=UTC), tuple(fqans))
    assert acl.permits("READ", JO, fqans) == other.permits(peer, GaclPermission.READ)
    assert acl.permits("TAG", JO, fqans) == other.permits(peer, GaclPermission.WRITE)
