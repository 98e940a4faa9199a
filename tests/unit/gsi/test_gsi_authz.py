"""Declaring and deciding: access marks and lists of peers."""

import os
from pathlib import Path

import pytest

from gsi.authz import Access, PeerList, declared_access, requires
from gsi.errors import CredentialError, GsiError, NotAuthorized

HOST = "/C=CZ/O=CESNET/CN=lb.example.cz"


def test_an_operation_says_who_may_call_it() -> None:
    @requires(Access.TRUSTED_PEER, Access.ADMIN)
    def operation() -> int:
        return 7

    assert declared_access(operation) == (Access.TRUSTED_PEER, Access.ADMIN)
    assert operation() == 7
    assert declared_access(len) is None


def test_nobody_is_no_declaration() -> None:
    with pytest.raises(TypeError):
        requires()


def test_not_authorized_is_eperm() -> None:
    assert NotAuthorized("x").errno == 1
    assert isinstance(NotAuthorized("x"), GsiError)


def test_a_list_of_peers(tmp_path: Path) -> None:
    path = tmp_path / "peers"
    path.write_text(f"# trusted\n\n{HOST}\n  /CN=j/emailAddress=a@b  \n")
    peers = PeerList(path, names=["/CN=fixed"])
    assert HOST in peers and "/CN=fixed" in peers and "/CN=j/Email=a@b" in peers
    assert "# trusted" not in peers and "" not in peers and HOST + "x" not in peers and None not in peers
    assert peers.names() == ("/CN=fixed", HOST, "/CN=j/emailAddress=a@b")


def test_the_list_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "peers"
    path.write_text(HOST + "\n")
    peers = PeerList(path)
    assert HOST in peers
    (tmp_path / "new").write_text("/CN=another\n")
    os.replace(tmp_path / "new", path)
    assert HOST not in peers and "/CN=another" in peers


def test_while_it_cannot_be_read_nobody_is_on_it(tmp_path: Path) -> None:
    path = tmp_path / "peers"
    path.write_text(HOST + "\n")
    peers = PeerList(path, names=["/CN=fixed"])
    path.unlink()
    assert HOST not in peers and "/CN=fixed" in peers
    path.write_bytes(b"\xff\xfe\n")
    assert HOST not in peers
    path.write_text(HOST + "\n")
    assert HOST in peers


def test_it_has_to_be_there_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="peers"):
        PeerList(tmp_path / "absent")


def test_an_empty_list() -> None:
    assert HOST not in PeerList()
