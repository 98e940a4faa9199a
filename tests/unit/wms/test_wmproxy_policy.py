"""Whom the site admits to the WMProxy (wms.md 1.9), and whose jobs are whose."""

from pathlib import Path
from typing import Any

import pytest

from gsi.authz import Access, Verdict
from gsi.errors import RulesError
from gsi.gacl import Gacl
from gsi.peer import Peer
from people import USER, peer
from unit.wms.wmproxy_support import settings
from wms.jobdirectory import JobDirectory
from wms.wmproxy.policy import WmProxyPolicy, usual_gacl

JOBID = "https://localhost:9000/AbCdEfGhIjKlMnOpQrStUv"
OTHER = "/DC=org/DC=example/CN=Other"

ANYBODY = "<any-user/>"
PERSON = f"<person><dn>{USER}</dn></person>"
ROLE = "<voms><fqan>/vo/Role=user</fqan></voms>"
VO = "<voms><fqan>/vo/*</fqan></voms>"
EXEC, NOT = "<allow><exec/></allow>", "<deny><exec/></deny>"


def policy(root: Path, **files: str) -> WmProxyPolicy:
    paths: dict[str, Any] = {}
    for name, content in files.items():
        paths[name] = root / name
        paths[name].write_text(content)
    return WmProxyPolicy(settings(root, **paths))


def gacl(*entries: str) -> str:
    return f"<gacl version='0.0.1'>{''.join(f'<entry>{entry}</entry>' for entry in entries)}</gacl>"


def admitted(decider: WmProxyPolicy, who: Peer | None) -> bool:
    return decider.outlook(who, Access.AUTHENTICATED).granted


def test_without_a_list_every_authenticated_peer_is_a_user(tmp_path: Path) -> None:
    decider = policy(tmp_path)
    assert admitted(decider, peer()) and admitted(decider, peer(OTHER, "/vo")) and not admitted(decider, None)


def test_users_by_name_and_by_attribute(tmp_path: Path) -> None:
    decider = policy(tmp_path, users_file=f"{USER}\n/vo/Role=user\n")
    assert admitted(decider, peer()) and admitted(decider, peer(OTHER, "/vo", "/vo/Role=user"))
    assert not admitted(decider, peer(OTHER)) and not admitted(decider, peer(OTHER, "/vo"))
    assert not admitted(decider, None)
    (tmp_path / "users_file").write_text(f"{OTHER}\n/vo\n")
    assert not admitted(decider, peer()) and admitted(decider, peer(OTHER))


# entries of the list; FQANs of a peer who is named USER or not; whether he is admitted
@pytest.mark.parametrize(("entries", "dn", "fqans", "expected"), [
    # by attribute: the first one counts
    ([VO + EXEC], OTHER, ["/vo"], True),
    ([VO + EXEC], OTHER, ["/vo/sub/Role=x"], True),
    ([VO + EXEC], OTHER, ["/other"], False),
    ([VO + EXEC], OTHER, [], False),
    ([ROLE + EXEC], OTHER, ["/vo/Role=user/Capability=NULL", "/vo"], True),
    ([ROLE + EXEC], OTHER, ["/vo", "/vo/Role=user"], False),
    # by name: with attributes and without
    ([PERSON + EXEC], USER, [], True),
    ([PERSON + EXEC], USER, ["/other"], True),
    ([PERSON + EXEC], OTHER, [], False),
    ([PERSON + EXEC, VO + EXEC], USER, ["/other"], True),
    ([PERSON + EXEC, VO + EXEC], OTHER, ["/vo"], True),
    ([PERSON + EXEC, VO + EXEC], OTHER, ["/other"], False),
    # everybody: alone, not against entries that name somebody
    ([ANYBODY + EXEC], OTHER, [], True),
    ([ANYBODY + EXEC], OTHER, ["/vo"], True),
    ([ANYBODY + EXEC, VO + EXEC], OTHER, ["/vo"], True),
    ([ANYBODY + EXEC, VO + EXEC], OTHER, ["/other"], False),
    ([ANYBODY + EXEC, VO + EXEC], OTHER, [], True),
    ([ANYBODY + EXEC, PERSON + EXEC], OTHER, ["/vo"], False),
    ([ANYBODY + EXEC, PERSON + EXEC], USER, ["/vo"], True),
    ([ANYBODY + EXEC, PERSON + EXEC], OTHER, [], True),
    # denials outweigh, whatever attribute they meet
    ([VO + EXEC, PERSON + NOT], USER, ["/vo"], False),
    ([VO + EXEC, PERSON + NOT], OTHER, ["/vo"], True),
    ([VO + EXEC, ROLE + NOT], OTHER, ["/vo", "/vo/Role=user"], False),
    ([VO + EXEC, "<moon/>" + NOT], OTHER, ["/vo"], False),
    # another permission, both conditions at once, nobody
    ([VO + "<allow><read/></allow>"], OTHER, ["/vo"], False),
    ([PERSON + VO + EXEC], USER, ["/vo"], True),
    ([PERSON + VO + EXEC], USER, [], False),
    ([EXEC], USER, ["/vo"], False),
    ([], USER, ["/vo"], False),
])
def test_the_access_list_of_the_service(
    tmp_path: Path, entries: list[str], dn: str, fqans: list[str], expected: bool
) -> None:
    decider = policy(tmp_path, gacl_file=gacl(*entries))
    assert admitted(decider, peer(dn, *fqans)) is expected
    assert not admitted(decider, None)


def test_either_list_admits_and_a_denial_outweighs(tmp_path: Path) -> None:
    decider = policy(tmp_path, users_file=f"{USER}\n{OTHER}\n", gacl_file=gacl(VO + EXEC, PERSON + NOT))
    assert admitted(decider, peer(OTHER)) and admitted(decider, peer("/CN=x", "/vo"))
    assert not admitted(decider, peer()) and not admitted(decider, peer("/CN=x"))


def test_a_bad_access_list_stops_the_start_and_changes_nothing_later(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="not an access list"):
        policy(tmp_path, gacl_file="<gacl>")
    decider = policy(tmp_path, gacl_file=gacl(PERSON + EXEC))
    (tmp_path / "gacl_file").write_text("<gacl><entry><any-user/><allow><exec/></allow></entry>")
    assert admitted(decider, peer()) and not admitted(decider, peer(OTHER))
    (tmp_path / "gacl_file").write_text(gacl(VO + EXEC))
    assert not admitted(decider, peer()) and admitted(decider, peer(OTHER, "/vo"))


@pytest.mark.parametrize(("environ", "where"), [
    ({"GLITE_WMS_CONFIG_DIR": "a", "GLITE_LOCATION": "b"}, "a"),
    ({"GLITE_LOCATION": "b", "WMS_LOCATION_ETC": "c"}, "b/etc"),
    ({"GLITE_WMS_CONFIG_DIR": "", "WMS_LOCATION_ETC": "c", "WMS_LOCATION": "d"}, "c"),
    ({"WMS_LOCATION": "d"}, "d/etc"),
    ({}, "usual"),
])
def test_the_access_list_is_found_where_the_original_looks(
    tmp_path: Path, environ: dict[str, str], where: str
) -> None:
    found = {name: str(tmp_path / value) if value else "" for name, value in environ.items()}
    assert usual_gacl(found, tmp_path / "usual") is None
    (tmp_path / where).mkdir(parents=True)
    (tmp_path / where / "glite_wms_wmproxy.gacl").write_text(gacl())
    assert usual_gacl(found, tmp_path / "usual") == tmp_path / where / "glite_wms_wmproxy.gacl"


def test_a_list_that_is_found_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "glite_wms_wmproxy.gacl").write_text(gacl(PERSON + EXEC))
    monkeypatch.setenv("GLITE_WMS_CONFIG_DIR", str(tmp_path))
    assert admitted(policy(tmp_path), peer()) and not admitted(policy(tmp_path), peer(OTHER))
    assert admitted(policy(tmp_path, gacl_file=gacl(ANYBODY + EXEC)), peer(OTHER)), "the one that is named counts"


def test_the_example_file_can_be_used(tmp_path: Path) -> None:
    example = (Path(__file__).parents[3] / "etc/glite_wms_wmproxy.gacl").read_text()
    decider = policy(tmp_path, gacl_file=example)
    assert admitted(decider, peer(OTHER, "/dteam")) and admitted(decider, peer(OTHER, "/dteam/Role=production"))
    assert not admitted(decider, peer(OTHER)) and not admitted(decider, peer(OTHER, "/vo"))


def test_a_job_is_its_owners(tmp_path: Path) -> None:
    decider = policy(tmp_path)
    directory = JobDirectory(tmp_path / "wms" / "SandboxDir", JOBID)
    here, gone = {"jobId": JOBID}, {"jobId": "https://localhost:9000/gone"}
    assert decider.outlook(peer(), Access.JOB_OWNER).verdict is Verdict.DEPENDS
    for arguments in (gone, here, {"jobId": "rubbish"}, {"jobId": None}, {}):
        assert decider.outlook(peer(OTHER), Access.JOB_OWNER, arguments).granted, "the operation says it is unknown"
        assert not decider.outlook(None, Access.JOB_OWNER, arguments).granted
    directory.create()
    assert not decider.outlook(peer(), Access.JOB_OWNER, here).granted, "nobody's while it is being registered"
    directory.write(directory.gacl, Gacl.of_owner(USER).write())
    assert decider.outlook(peer(), Access.JOB_OWNER, here).granted
    assert decider.outlook(peer(limited=True), Access.JOB_OWNER, here).granted
    assert not decider.outlook(peer(OTHER, "/vo"), Access.JOB_OWNER, here).granted
    assert not decider.outlook(peer(), Access.ADMIN).granted
    directory.write(directory.gacl, "<gacl>")
    assert not decider.outlook(peer(), Access.JOB_OWNER, here).granted


def test_who_is_not_a_user_has_no_jobs(tmp_path: Path) -> None:
    decider = policy(tmp_path, users_file=f"{OTHER}\n")
    outlook = decider.outlook(peer(), Access.JOB_OWNER)
    assert outlook.verdict is Verdict.NO and "among the users" in outlook.reason
    assert str(tmp_path) not in outlook.reason
