"""Lists of peers: DNs and FQANs, quoting, bad lines, and what happens when the file changes."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsi.errors import RulesError
from gsi.peers import Names, PeerList
from people import peer

HOST = "/C=CZ/O=CESNET/CN=lb.example.cz"


def test_a_list_of_peers(tmp_path: Path) -> None:
    path = tmp_path / "peers"
    path.write_text(f"# trusted\n\n{HOST}\n  /CN=j/emailAddress=a@b  \n")
    peers = PeerList(path, names=["/CN=fixed"])
    assert HOST in peers and "/CN=fixed" in peers and "/CN=j/Email=a@b" in peers
    assert peer(HOST) in peers and peer("/CN=j/Email=a@b") in peers and peer("/CN=fixed") in peers
    assert "# trusted" not in peers and "" not in peers and HOST + "x" not in peers and None not in peers
    assert peer("/CN=J/Email=a@b") not in peers
    assert peers.names() == ("/CN=fixed", HOST, "/CN=j/emailAddress=a@b")


@pytest.mark.parametrize(("line", "fqans", "member"), [
    ("/vo/Role=operator", ("/vo", "/vo/Role=operator"), True),
    ("/vo/Role=operator", ("/vo", "/vo/Role=operator/Capability=NULL"), True),
    ("/vo/Role=operator", ("/vo",), False),
    ("/vo/Role=operator", (), False),
    ("/vo/Role=operator", ("/other/Role=operator",), False),
    ('"/vo/Role=operator"  # the team on duty', ("/vo/Role=operator",), True),
    ("/vo", ("/vo/Role=NULL/Capability=NULL",), True),
    ("/vo", ("/vo/sub", "/vo/Role=operator"), False),
    ("/vo/*", ("/vo/sub/Role=operator",), True),
    ("/vo/*", ("/vo",), True),
    ("/vo/*", ("/vox",), False),
    ("/VO", ("/vo",), False),
    ("/vo/Role=operator", ("no FQAN at all", "/vo/Role=operator"), True),
])
def test_an_fqan_means_all_who_have_shown_it(line: str, fqans: tuple[str, ...], member: bool) -> None:
    names = Names.parse(line.encode())
    assert not names.problems
    assert names.has(peer("/CN=somebody", *fqans)) is member
    assert not names.has_dn(line)


def test_a_name_that_looks_like_an_attribute_is_no_attribute() -> None:
    """Who may choose his CN cannot choose his FQANs, and no FQAN is taken for a DN."""
    names = Names.parse(b"/vo/Role=operator\n/O=vo/CN=/vo/Role=operator\n")
    assert not names.has(peer("/vo/Role=operator"))
    assert not names.has(peer("/CN=x", "/O=vo/CN=/vo/Role=operator"))
    assert names.has(peer("/O=vo/CN=/vo/Role=operator"))


@pytest.mark.parametrize(("line", "dn"), [
    (b'"/CN=Jo \\"JD\\" Doe"', '/CN=Jo "JD" Doe'),
    (b'"/CN=a\\\\b"', "/CN=a\\b"),
    (b'"/CN=\\x41"', "/CN=A"),
    (b"/CN=\\x41", "/CN=\\x41"),
    (b"/CN=M\xc3\xbcller", "/CN=M\\xC3\\xBCller"),
    (b"/CN=M\\xc3\\xbcller", "/CN=M\\xC3\\xBCller"),
    (b'"/CN=M\\xc3\\xbcller"', "/CN=M\\xC3\\xBCller"),
    (b"/CN=C:\\new #1 \t\r", "/CN=C:\\new #1"),
    (b"\xef\xbb\xbf/CN=with a byte order mark", "/CN=with a byte order mark"),
])
def test_quoting_and_escapes(line: bytes, dn: str) -> None:
    names = Names.parse(line)
    assert (names.texts, names.problems) == ((dn,), ())
    assert names.has(peer(dn))


def test_a_bad_line_names_nobody_and_takes_no_other_with_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "peers"
    path.write_bytes(b'CN=jo,O=org\n"/CN=unclosed\n"/CN=a" /CN=b\n/\n/vo/Role=\n' + HOST.encode() + b"\n\xff\n")
    peers = PeerList(path)
    assert peers.names() == (HOST,)
    assert [record.getMessage().split(": ")[0] for record in caplog.records] == [
        f"{path}, line {number}" for number in (1, 2, 3, 4, 5, 7)
    ]


def test_the_list_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "peers"
    path.write_text(HOST + "\n")
    peers = PeerList(path)
    assert HOST in peers
    (tmp_path / "new").write_text("/CN=another\n")
    os.replace(tmp_path / "new", path)
    assert HOST not in peers and "/CN=another" in peers


def test_while_it_cannot_be_read_nobody_is_on_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "peers"
    path.write_text(HOST + "\n")
    peers = PeerList(path, names=["/CN=fixed"])
    path.unlink()
    assert HOST not in peers and "/CN=fixed" in peers
    assert HOST not in peers
    assert [record.levelname for record in caplog.records] == ["ERROR"], "told once, not at every question"
    path.mkdir()
    assert HOST not in peers
    path.rmdir()
    path.write_text(HOST + "\n")
    assert HOST in peers


def test_it_has_to_be_there_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="absent"):
        PeerList(tmp_path / "absent")
    with pytest.raises(RulesError, match="begins with a slash"):
        PeerList(names=["CN=somebody"])


def test_the_example_file_names_one_host() -> None:
    names = Names.parse((Path(__file__).parents[3] / "etc/peers").read_bytes())
    assert (names.texts, names.problems) == (("/DC=org/DC=example/CN=localhost",), ())


def test_an_empty_list() -> None:
    assert HOST not in PeerList() and peer(HOST, "/vo") not in PeerList()


@given(st.binary(max_size=300) | st.text(alphabet='/="\\x41 \t\r\n#CNvo*', max_size=80).map(str.encode))
def test_any_bytes_are_a_list(data: bytes) -> None:
    names = Names.parse(data)
    assert all(text.startswith("/") and text.isascii() and text.isprintable() for text in names.texts)
    assert not names.has(peer("/CN=nobody"))
    assert not names.has(peer("/CN=nobody", "/nobody")) or b"*" in data
    assert len(names.texts) + len(names.problems) <= data.count(b"\n") + 1
