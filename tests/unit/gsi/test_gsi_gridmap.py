"""Grid-mapfiles in the forms of the field, and the identity mapping of LB."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsi.gridmap import GridMap, Identities, Mapping, watch_gridmap, watch_identities
from gsi.namelines import Problem
from people import peer

FIELD = rb"""# made by edg-mkgridmap
"/DC=org/DC=example/CN=Jo Doe" jdoe,grid01
	/O=Grid/CN=bare   daemon

"/O=Grid/O=Globus/OU=x/CN=host/node.example.org" host
"/C=UK/CN=Mail/emailAddress=m@x" mail
"/CN=quote \"q\" and \\ back" quoted
"/CN=M\xc3\xbcller" mueller
"/CN=hex \x41\x62" hex
"/atlas/Role=production/*" .prod
"/atlas/*" .atlas
"/atlas" .never
"/DC=org/DC=example/CN=Jo Doe" other
"""


@pytest.mark.parametrize(("dn", "accounts"), [
    ("/DC=org/DC=example/CN=Jo Doe", ("jdoe", "grid01")),
    ("/O=Grid/CN=bare", ("daemon",)),
    ("/O=Grid/O=Globus/OU=x/CN=host/node.example.org", ("host",)),
    ("/C=UK/CN=Mail/Email=m@x", ("mail",)),
    ('/CN=quote "q" and \\ back', ("quoted",)),
    ("/CN=M\\xC3\\xBCller", ("mueller",)),
    ("/CN=hex Ab", ("hex",)),
    ("/dc=org/dc=example/cn=jo doe", ()),
    ("/DC=org/DC=example/CN=Jo", ()),
    ("/atlas", ()),
])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"], ids=["unix", "dos"])
def test_who_works_under_which_account(dn: str, accounts: tuple[str, ...], ends: bytes) -> None:
    assert GridMap.parse(FIELD.replace(b"\n", ends)).accounts(peer(dn)) == accounts


@pytest.mark.parametrize(("fqans", "accounts"), [
    (("/atlas/Role=production", "/atlas"), (".prod",)),
    (("/atlas/Role=production/Capability=NULL",), (".prod",)),
    (("/atlas", "/atlas/Role=production"), (".atlas",)),
    (("/atlas/Role=NULL/Capability=NULL",), (".atlas",)),
    (("/atlas/sub/Role=x",), (".atlas",)),
    (("/cms", "/atlas/sub"), (".atlas",)),
    (("/cms", "rubbish"), ()),
    ((), ()),
])
def test_attributes_in_their_order_then_lines_in_theirs(fqans: tuple[str, ...], accounts: tuple[str, ...]) -> None:
    assert GridMap.parse(FIELD).accounts(peer("/CN=nobody", *fqans)) == accounts


def test_a_person_comes_before_his_attributes() -> None:
    assert GridMap.parse(FIELD).accounts(peer("/O=Grid/CN=bare", "/atlas/Role=production")) == ("daemon",)


def test_the_first_of_two_lines_counts_and_the_second_is_reported() -> None:
    assert GridMap.parse(FIELD).problems == (Problem(13, "the same name is in line 2, which counts"),)
    twice = GridMap.parse(b"/CN=a/Email=x one\n/CN=a/emailAddress=x two\n")
    assert twice.accounts(peer("/CN=a/Email=x")) == ("one",) and len(twice.problems) == 1


@pytest.mark.parametrize(("line", "says"), [
    (b'"/CN=a b account', "closing quote"),
    (b'"/CN=a\\" account', "closing quote"),
    (b"/CN=a", "no account"),
    (b'"/CN=a"', "no account"),
    (b'"/CN=a"  # account', "no account"),
    (b"/CN=a ,,,", "an account is made of"),
    (b"/CN=Jo Doe account", "accounts are separated by commas"),
    (b"/CN=a one, two", "accounts are separated by commas"),
    (b"/CN=a ../../etc/passwd", "an account is made of"),
    (b"/CN=a one,two/three", "an account is made of"),
    (b"/CN=a \xff\xfe", "an account is made of"),
    (b"CN=a,O=org account", "begins with a slash"),
    (b'"" account', "begins with a slash"),
    (b"/CN=a\\ account", "ends in a backslash"),
    (b"/vo/Role= .pool", "VO attributes"),
    (b"/" + b"x" * 5000 + b"=1 account", "at most"),
])
def test_a_bad_line_maps_nobody_and_takes_no_other_with_it(line: bytes, says: str) -> None:
    found = GridMap.parse(b"/CN=before one\n" + line + b"\n/CN=after two\n")
    assert found.mappings == (Mapping("/CN=before", ("one",)), Mapping("/CN=after", ("two",)))
    ((number, text),) = [(problem.number, problem.text) for problem in found.problems]
    assert number == 2 and says in text


def test_forms_that_only_globus_takes_for_the_same_are_reported() -> None:
    found = GridMap.parse(b"/CN=a/E=a@b one\n/CN=b/USERID=b two\n/CN=c/UID=c three\n")
    assert [problem.number for problem in found.problems] == [1, 2]
    assert found.accounts(peer("/CN=a/emailAddress=a@b")) == () and found.accounts(peer("/CN=c/UID=c")) == ("three",)


def test_the_file_is_read_again_and_maps_nobody_while_it_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "grid-mapfile"
    path.write_text("/CN=a one\nrubbish\n")
    gridmap = watch_gridmap(path)
    assert gridmap.current.accounts(peer("/CN=a")) == ("one",)
    assert "line 2" in caplog.text
    path.write_text("/CN=a another\n")
    assert gridmap.current.accounts(peer("/CN=a")) == ("another",)
    path.unlink()
    assert gridmap.current.accounts(peer("/CN=a")) == ()


def test_the_example_file_can_be_used() -> None:
    found = GridMap.parse((Path(__file__).parents[3] / "etc/grid-mapfile").read_bytes())
    assert not found.problems
    assert found.accounts(peer()) == ("grid01",) and found.accounts(peer("/CN=x", "/dteam/Role=x")) == (".dteam",)


def test_two_names_of_one_person() -> None:
    found = Identities.parse(
        b'"/O=old/CN=Jo Doe" "/DC=org/CN=Jo Doe"   # renewed 2009\r\n/CN=a /CN=b\n\n# more\n/CN=b\t/CN=c\n'
    )
    assert not found.problems
    assert found.of("/O=old/CN=Jo Doe") == ("/O=old/CN=Jo Doe", "/DC=org/CN=Jo Doe")
    assert found.of("/DC=org/CN=Jo Doe") == ("/DC=org/CN=Jo Doe", "/O=old/CN=Jo Doe")
    assert found.of("/CN=a") == ("/CN=a", "/CN=b"), "not what is joined with /CN=b"
    assert found.of("/CN=b") == ("/CN=b", "/CN=c", "/CN=a")
    assert found.of("/CN=x") == ("/CN=x",)


@pytest.mark.parametrize("line", [
    b"/CN=a", b'"/CN=a"', b'"/CN=a" # /CN=b', b"/CN=a /CN=b /CN=c", b"/CN=Jo Doe /CN=b",
    b"/vo/Role=x /CN=b", b'/CN=a "/CN=b',
])
def test_a_bad_line_joins_nobody(line: bytes) -> None:
    found = Identities.parse(b"/CN=x /CN=y\n" + line)
    assert found.pairs == (("/CN=x", "/CN=y"),)
    assert [problem.number for problem in found.problems] == [2]


def test_the_mapping_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mapping"
    path.write_text("/CN=a /CN=b\n")
    mapping = watch_identities(path)
    assert mapping.current.of("/CN=a") == ("/CN=a", "/CN=b")
    path.unlink()
    assert mapping.current.of("/CN=a") == ("/CN=a",)


LINES = st.binary(max_size=300) | st.text(alphabet='/="\\x41, \t\r\n#CNvo*.', max_size=120).map(str.encode)


@given(LINES)
def test_any_bytes_are_a_gridmap(data: bytes) -> None:
    found = GridMap.parse(data)
    for mapping in found.mappings:
        assert mapping.accounts and mapping.name.startswith("/") and mapping.name.isascii()
        assert not any("/" in account for account in mapping.accounts)
    assert found.accounts(peer("/CN=nobody")) == ()


@given(LINES)
def test_any_bytes_are_a_mapping_of_identities(data: bytes) -> None:
    found = Identities.parse(data)
    assert len(found.pairs) + len(found.problems) <= data.count(b"\n") + 1
    assert found.of("/CN=nobody")[0] == "/CN=nobody"


PRINTABLE = st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)


@given(PRINTABLE)
def test_every_name_can_be_written_in_quotes(value: str) -> None:
    dn = f"/CN={value}"
    quoted = dn.replace("\\", "\\\\").replace('"', '\\"')
    assert GridMap.parse(f'"{quoted}" account'.encode()).accounts(peer(dn)) == ("account",)
