"""Access lists: both written forms, who is granted what, and that nothing unknown ever widens rights."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsi.gacl import OWNER_PERMISSIONS, Credential, Entry, Gacl, GaclError, Kind, Permission
from gsi.peer import Peer
from gsi.peers import PeerList
from people import USER, peer

READ, EXEC, LIST, WRITE, ADMIN = Permission
STRANGER = "/DC=org/DC=example/CN=Stranger"
MEMBER = peer(STRANGER, "/vo", "/vo/sub/Role=operator")


def gacl(*entries: str) -> Gacl:
    """An access list of entries, each given as its content."""
    return Gacl.parse(f"<gacl>{''.join(f'<entry>{entry}</entry>' for entry in entries)}</gacl>".encode())


def person(dn: str = USER) -> str:
    return f"<person><dn>{dn}</dn></person>"


def granted(acl: Gacl, who: Peer | None) -> set[Permission]:
    return {permission for permission in Permission if acl.permits(who, permission)}


ALLOW_ALL = "<allow><read/><exec/><list/><write/><admin/></allow>"


@pytest.mark.parametrize(("credential", "holds_for"), [
    ("<any-user/>", "anonymous user stranger member"),
    ("<auth-user/>", "user stranger member"),
    (person(), "user"),
    (f"<person><dn>\n  {USER}  </dn></person>", "user"),
    ("<voms><fqan>/vo/sub/Role=operator</fqan></voms>", "member"),
    ("<voms><fqan>/vo/sub/Role=operator/Capability=NULL</fqan></voms>", "member"),
    ("<voms><fqan>/vo/*</fqan></voms>", "member"),
    ("<voms><fqan>/vo/Role=operator</fqan></voms>", ""),
    ("<voms-cred><vo>vo</vo><group>sub</group></voms-cred>", "member"),
    ("<voms-cred><vo>vo</vo><group>/vo/sub</group></voms-cred>", "member"),
    ("<voms-cred><vo>vo</vo></voms-cred>", "member"),
    ("<voms-cred><vo>vo</vo><group>other</group></voms-cred>", ""),
    (f"<cred><auri>dn:{USER}</auri></cred>", "user"),
    (f"<cred><auri>dn:{USER.replace(' ', '+')}</auri></cred>", "user"),
    (f"<cred><auri>dn:{USER.replace(' ', '%20')}</auri></cred>", "user"),
    ("<cred><auri>fqan:/vo/sub/Role=operator</auri></cred>", "member"),
    ("<cred><auri>fqan:/vo/*</auri></cred>", "member"),
    ("<cred><auri>gacl:any-user</auri></cred>", "anonymous user stranger member"),
    ("<cred><auri>gacl:auth-user</auri></cred>", "user stranger member"),
    (person() + "<voms><fqan>/vo</fqan></voms>", ""),
    (person(STRANGER) + "<voms><fqan>/vo</fqan></voms>", "member"),
    (person() + person(STRANGER), ""),
])
def test_for_whom_a_credential_holds(credential: str, holds_for: str) -> None:
    people = {"anonymous": None, "user": peer(), "stranger": peer(STRANGER), "member": MEMBER}
    allowing = gacl(credential + "<allow><read/></allow>")
    assert {name for name, who in people.items() if allowing.permits(who, READ)} == set(holds_for.split())
    denying = gacl("<any-user/><allow><read/></allow>", credential + "<deny><read/></deny>")
    assert {name for name, who in people.items() if not denying.permits(who, READ)} == set(holds_for.split())
    assert Gacl.parse(allowing.write()) == allowing
    assert [e.kind for e in allowing.entries[0].credentials].count(Kind.UNKNOWN) == 0


#: What is not understood in all its parts.
UNKNOWN = [
    "<level><nist-loa>4</nist-loa></level>",
    "<none/>",
    "<moon phase='full'/>",
    "<person/>",
    "<person><dn></dn></person>",
    "<person><dn>CN=Test User,O=org</dn></person>",
    f"<person><dn>{USER}</dn><dn>{STRANGER}</dn></person>",
    f"<person><dn>{USER}</dn><shoe-size>43</shoe-size></person>",
    f"<person until='noon'><dn>{USER}</dn></person>",
    f"<person><dn><b>{USER}</b></dn></person>",
    f"<person>only <dn>{USER}</dn></person>",
    "<any-user><but>me</but></any-user>",
    "<any-user>x</any-user>",
    "<voms><fqan>/vo/Role=</fqan></voms>",
    "<voms><fqan>vo</fqan></voms>",
    "<voms-cred><vo>vo</vo><group>/other/sub</group></voms-cred>",
    "<voms-cred><vo>vo</vo><role>operator</role></voms-cred>",
    "<voms-cred><vo>vo</vo><group>sub/Role=x</group></voms-cred>",
    f"<cred><auri>dn:{USER}</auri><nist-loa>3</nist-loa></cred>",
    f"<cred><auri>dn:{USER}</auri><auri>dn:{STRANGER}</auri></cred>",
    "<cred><auri>ip:127.0.0.1</auri></cred>",
    "<cred><auri>gacl:everybody</auri></cred>",
    "<cred/>",
    "<x:person xmlns:x='urn:x'><x:dn>/CN=a</x:dn></x:person>",
    # known kinds, of which nobody has told
    "<dns><hostname>*.example.org</hostname></dns>",
    "<dn-list><url>https://vo.example.org/list</url></dn-list>",
    "<cred><auri>dns:*.example.org</auri></cred>",
    "<cred><auri>https://vo.example.org/list</auri></cred>",
]


@pytest.mark.parametrize("credential", UNKNOWN)
@pytest.mark.parametrize("who", [None, peer(), MEMBER], ids=["anonymous", "user", "member"])
def test_what_is_not_understood_allows_nothing_and_denies_all(credential: str, who: Peer | None) -> None:
    assert granted(gacl(credential + ALLOW_ALL), who) == set()
    assert granted(gacl(credential + "<any-user/>" + ALLOW_ALL), who) == set()
    assert granted(gacl("<auth-user/>" + ALLOW_ALL, credential + "<deny><write/></deny>"), who) <= {
        READ, EXEC, LIST, ADMIN
    }


@pytest.mark.parametrize("credential", UNKNOWN)
def test_a_denial_that_certainly_does_not_hold_denies_nothing(credential: str) -> None:
    acl = gacl("<auth-user/>" + ALLOW_ALL, credential + person(STRANGER) + "<deny><write/></deny>")
    assert granted(acl, peer()) == set(Permission)
    assert granted(acl, peer(STRANGER)) == set(Permission) - {WRITE}


@pytest.mark.parametrize("credential", UNKNOWN)
def test_what_is_not_understood_is_written_as_it_was(credential: str) -> None:
    acl = gacl(credential + "<allow><read/><fly/></allow><deny><swim/></deny>", person() + ALLOW_ALL)
    again = Gacl.parse(acl.write())
    assert again == acl
    assert b"<fly/>" in acl.write() and b"<swim/>" in acl.write()


def test_everybody_alone_never_writes_nor_administers() -> None:
    acl = gacl("<any-user/>" + ALLOW_ALL)
    assert granted(acl, None) == granted(acl, peer()) == {READ, EXEC, LIST}
    assert granted(gacl("<any-user/>" + person() + ALLOW_ALL), peer()) == set(Permission)


def test_an_entry_without_credentials_allows_nothing_and_denies_all() -> None:
    assert granted(gacl(ALLOW_ALL), peer()) == set()
    assert granted(gacl(person() + ALLOW_ALL, "<deny><list/></deny>"), peer()) == set(Permission) - {LIST}


def test_a_denial_outweighs_wherever_it_stands() -> None:
    entries = [person() + "<allow><read/><write/></allow>", "<voms><fqan>/vo</fqan></voms><deny><write/></deny>"]
    for order in (entries, entries[::-1], [entries[0] + "<deny><write/></deny>"]):
        assert granted(gacl(*order), peer(USER, "/vo")) == {READ}
    assert granted(gacl(*entries), peer()) == {READ, WRITE}
    assert granted(gacl(), peer()) == set()


def test_hosts_and_lists_hold_when_somebody_tells_of_them() -> None:
    acl = gacl("<dns><hostname>*.EXAMPLE.org</hostname></dns><allow><read/></allow>")
    assert acl.permits(peer(), READ, host="node.example.org")
    assert not acl.permits(peer(), READ, host="example.org.evil.net")
    url = "https://vo.example.org/list"
    acl = gacl(f"<dn-list><url>{url}</url></dn-list><allow><read/></allow>")
    assert acl.permits(peer(), READ, lists={url: PeerList(names=[USER])})
    assert not acl.permits(peer(STRANGER), READ, lists={url: PeerList(names=[USER])})
    assert not acl.permits(None, READ, lists={url: PeerList(names=[USER])})


@pytest.mark.parametrize(("entries", "owner"), [
    ([person() + "<allow><write/></allow>"], USER),
    ([person(STRANGER) + "<allow><read/></allow>", person() + "<allow><write/></allow>"], USER),
    ([person() + "<allow><write/></allow>", person() + "<deny><write/></deny>"], None),
    ([person() + "<allow><write/></allow>", "<any-user/><deny><write/></deny>"], None),
    ([person() + "<allow><write/></allow>", "<moon/><deny><write/></deny>"], None),
    ([person() + "<allow><write/></allow>", person(STRANGER) + "<deny><write/></deny>"], USER),
    ([person() + "<voms><fqan>/vo</fqan></voms><allow><write/></allow>"], None),
    (["<any-user/><allow><write/></allow>"], None),
    ([], None),
])
def test_the_owner_is_the_first_person_who_may_write(entries: Sequence[str], owner: str | None) -> None:
    assert gacl(*entries).owner == owner


def test_a_new_list_is_its_owners() -> None:
    dn = '/DC=org/CN=Friend & Co <x> "y"'
    acl = Gacl.of_owner(dn)
    assert granted(acl, peer(dn)) == set(OWNER_PERMISSIONS) == {READ, LIST, WRITE}
    assert acl.owner == dn and granted(acl, peer()) == granted(acl, None) == set()
    assert Gacl.parse(acl.write()) == acl
    assert b'<gacl version="0.0.1">' in acl.write()


def test_equal_entries_are_not_added_twice_and_removed_together() -> None:
    """lb.md 11.3: the same credentials and the same permissions."""
    reader = Entry((Credential.person("/CN=j/Email=a@b"),), frozenset({READ}))
    acl = Gacl.of_owner(USER).add(reader)
    assert acl.add(reader) is acl
    assert acl.add(Entry((Credential.person("/CN=j/emailAddress=a@b").as_uri(),), frozenset({READ}))) is acl
    tagger = Entry(reader.credentials, frozenset({READ, WRITE}))
    denied = Entry(reader.credentials, deny=frozenset({READ}))
    both = acl.add(tagger).add(denied)
    assert len(both.entries) == 4
    assert both.remove(reader).entries == (acl.entries[0], tagger, denied)
    with pytest.raises(GaclError, match="no such entry"):
        acl.remove(tagger)


def test_the_form_of_lb() -> None:
    """What stands in LB's database and in the status of a job: its text is hashed, so each byte counts."""
    entries = (
        Entry((Credential.person(USER),), frozenset({READ})),
        Entry((Credential.voms("/vo/Role=a*"),), deny=frozenset({WRITE, READ})),
        Entry((Credential.group("vo", "sub"),), frozenset({READ})),
    )
    text = Gacl(entries).compact()
    assert text == (
        '<?xml version="1.0"?><gacl version="0.9.0">'
        "<entry><cred><auri>dn:/DC=org/DC=example/CN=Test+User</auri></cred><allow><read/></allow></entry>"
        "<entry><cred><auri>fqan:/vo/Role=a%2A</auri></cred><deny><read/><write/></deny></entry>"
        "<entry><voms-cred><vo>vo</vo><group>sub</group></voms-cred><allow><read/></allow></entry>"
        "</gacl>"
    )
    assert Gacl.parse(text.encode()) == Gacl(entries)
    assert Gacl().compact() == '<?xml version="1.0"?><gacl version="0.9.0"></gacl>'


@pytest.mark.parametrize("document", [
    b"", b"rubbish", b"<gacl>", b"<!DOCTYPE gacl><gacl/>", b"<acl/>", b"<g:gacl xmlns:g='x'/>",
    b"<gacl><person><dn>/CN=a</dn></person></gacl>", b"<gacl><deny><read/></deny></gacl>",
    b"<gacl><entry until='noon'><any-user/></entry></gacl>",
    b"<gacl><entry><any-user/><allow at='noon'><read/></allow></entry></gacl>",
    b"<Policy xmlns='urn:oasis:names:tc:xacml:2.0:policy:schema:os'/>", b"<gacl>\xff</gacl>",
    b"<gacl>" + b"<!-- -->" * 200_000 + b"</gacl>",
])
def test_no_access_list(document: bytes) -> None:
    with pytest.raises(GaclError):
        Gacl.parse(document)


@pytest.mark.parametrize("make", [
    lambda: Credential.person("CN=a"), lambda: Credential.person("/CN=a\0"), lambda: Credential.person(""),
    lambda: Credential.person("/CN=\u00fc"), lambda: Credential.voms("/vo/Role="), lambda: Credential.group("vo", "/x"),
    lambda: Credential.group("", ""),
])
def test_no_credential(make: object) -> None:
    with pytest.raises(GaclError):
        make()  # type: ignore[operator]


# ---- any bytes ------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["gacl", "entry", "person", "dn", "voms", "fqan", "voms-cred", "vo", "group", "cred", "auri", "any-user",
     "auth-user", "dn-list", "url", "dns", "hostname", "allow", "deny", "read", "write", "admin", "none", "moon"]
)
TEXTS = st.sampled_from(
    ["", " ", USER, "dn:" + USER, "dn:%FF", "fqan:/vo", "/vo/*", "gacl:any-user", "https:", "vo", "é", "*"]
)
ELEMENTS = st.recursive(
    st.tuples(NAMES, TEXTS).map(lambda found: f"<{found[0]}>{found[1]}</{found[0]}>"),
    lambda inner: st.tuples(NAMES, st.lists(inner, max_size=4)).map(
        lambda found: f"<{found[0]}>{''.join(found[1])}</{found[0]}>"
    ),
    max_leaves=12,
)
LISTS = st.lists(st.lists(ELEMENTS, max_size=4).map("".join), max_size=4).map(
    lambda found: f"<gacl>{''.join(f'<entry>{entry}</entry>' for entry in found)}</gacl>"
)


@given(st.binary(max_size=200) | ELEMENTS.map(str.encode) | LISTS.map(str.encode))
def test_any_bytes_are_a_list_or_an_error(document: bytes) -> None:
    try:
        acl = Gacl.parse(document)
    except GaclError:
        return
    assert Gacl.parse(acl.write()) == acl
    assert len(Gacl.parse(acl.compact().encode()).entries) == len(acl.entries)
    for permission in (WRITE, ADMIN):
        assert not acl.permits(None, permission)


@given(LISTS, st.sampled_from([None, peer(), MEMBER]), st.sampled_from(UNKNOWN))
def test_what_is_not_understood_never_widens(document: str, who: Peer | None, credential: str) -> None:
    """An unknown credential in any entry grants nobody anything that he had not without it, denials apart."""
    try:
        before = Gacl.parse(document.encode())
    except GaclError:
        return
    (unknown,) = gacl(credential).entries[0].credentials
    allowing = Gacl(tuple(Entry((*e.credentials, unknown), e.allow) for e in before.entries))
    assert granted(allowing, who) == set()
    denying = Gacl((*before.entries, Entry((unknown,), deny=frozenset(Permission))))
    assert granted(denying, who) == set()


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40))
def test_every_name_survives_both_forms(value: str) -> None:
    dn = f"/CN={value}"
    acl = Gacl.of_owner(dn)
    assert Gacl.parse(acl.write()).owner == dn
    assert Gacl.parse(acl.compact().encode()).owner == dn
