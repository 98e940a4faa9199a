"""LSC files and certificates of VOMS servers: their syntax, what they admit, and that changes are seen."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import acs
import pki
from gsi.credential import pem
from gsi.errors import CredentialError
from gsi.voms.vomsdir import MAX_SIZE, Vomsdir, matches, parse_lsc

HOST, CA = "/DC=org/DC=example/CN=voms.example.org", "/DC=org/DC=example/CN=Test CA"


@pytest.mark.parametrize(("text", "chains"), [
    (f"{HOST}\n{CA}\n", (((HOST, CA),),)),
    (f"\n  {HOST}  \r\n\n{CA}", (((HOST, CA),),)),
    (f'# of 2009\n"{HOST}"\n"{CA}"\n', (((HOST, CA),),)),
    (f"{HOST}\n{CA}\n{CA}\n/CN=Root\n", (((HOST, CA), (CA, "/CN=Root")),)),
    (f"/CN=old\n{CA}\n------ NEXT CHAIN ------\n{HOST}\n{CA}\n", ((("/CN=old", CA),), ((HOST, CA),))),
    (f"---NEXT CHAIN---\n{HOST}\n{CA}\n------ NEXT CHAIN ------\n", (((HOST, CA),),)),
    ("/DC=org/USERID=x/CN=a\n/CN=b\n", ((("/DC=org/UID=x/CN=a", "/CN=b"),),)),
    ("", ()),
    ("# nobody\n", ()),
])
def test_lsc_files(text: str, chains: object) -> None:
    assert parse_lsc(text) == chains


@pytest.mark.parametrize("text", [HOST, f"{HOST}\n{CA}\n{CA}\n", f"{HOST}\n------ NEXT CHAIN ------\n{CA}\n",
                                  "CN=voms.example.org\nCN=CA\n", '"\n"\n', "-----\n-----\n"])
def test_what_is_no_lsc_file(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_lsc(text)


@given(st.text(alphabet=st.sampled_from('/CN=a"#- \n\\NEXTHAI'), max_size=80) | st.text(max_size=40))
def test_any_text_is_an_lsc_file_or_an_error(text: str) -> None:
    try:
        chains = parse_lsc(text)
    except ValueError:
        return
    assert all(name.startswith("/") for chain in chains for link in chain for name in link)


def test_a_chain_has_to_match_as_far_as_the_file_goes() -> None:
    below = acs.below_intermediate().credential
    whole = [below.certificate, *below.chain, pki.authority().certificate]
    link = f"{below.dn}", "/DC=org/DC=example/CN=Intermediate CA"
    above = "/DC=org/DC=example/CN=Intermediate CA", CA
    root = CA, CA
    assert all(matches(chain, whole) for chain in ((link,), (link, above), (link, above, root)))
    assert not any(matches(chain, whole) for chain in (
        (), (above,), (link, root), (link, above, root, root), ((link[0], CA),), ((HOST, link[1]),)))


def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    vomsdir, file = Vomsdir(tmp_path), tmp_path / "testvo" / "voms.example.org.lsc"
    assert vomsdir.chains("testvo", "voms.example.org") is None
    file.parent.mkdir()
    file.write_text(f"{HOST}\n{CA}\n")
    assert vomsdir.chains("testvo", "voms.example.org") == (((HOST, CA),),)
    file.write_text(f"{HOST}\n{CA} 2\n")
    assert vomsdir.chains("testvo", "voms.example.org") == (((HOST, f"{CA} 2"),),)
    file.write_text("nonsense")
    with pytest.raises(CredentialError, match=r"testvo/voms\.example\.org\.lsc"):
        vomsdir.chains("testvo", "voms.example.org")
    file.unlink()
    assert vomsdir.chains("testvo", "voms.example.org") is None
    assert vomsdir.chains("other", "voms.example.org") is None


def test_certificates_are_read_again_when_they_change(tmp_path: Path) -> None:
    vomsdir = Vomsdir(tmp_path)
    assert vomsdir.certificates("testvo") == []
    (tmp_path / "testvo").mkdir()
    (tmp_path / "testvo" / "a.pem").write_bytes(pem(pki.user().certificate) + pem(pki.other().certificate))
    (tmp_path / "b.pem").write_bytes(pem(pki.host().certificate))
    (tmp_path / "c.txt").write_text("not looked at")
    assert vomsdir.certificates("testvo") == [
        pki.user().certificate, pki.other().certificate, pki.host().certificate]
    assert vomsdir.certificates("other") == [pki.host().certificate]
    (tmp_path / "testvo" / "a.pem").write_bytes(pem(pki.other().certificate))
    assert vomsdir.certificates("testvo") == [pki.other().certificate, pki.host().certificate]
    (tmp_path / "b.pem").write_text("nonsense")
    with pytest.raises(CredentialError, match=r"b\.pem"):
        vomsdir.certificates("testvo")


def test_what_is_no_sensible_file_is_refused(tmp_path: Path) -> None:
    vomsdir, vo = Vomsdir(tmp_path), tmp_path / "vo"
    vo.mkdir()
    (vo / "huge.lsc").write_bytes(b"#" * (MAX_SIZE + 1))
    (vo / "latin.lsc").write_bytes(b"/CN=\xff\n/CN=a\n")
    (vo / "directory.lsc").mkdir()
    os.mkfifo(vo / "pipe.lsc")
    for host in ("huge", "latin", "directory", "pipe"):
        with pytest.raises(CredentialError, match=host):
            vomsdir.chains("vo", host)


@pytest.mark.parametrize("name", ["..", "../vo", "a/b", ".hidden", "a\0b"])
def test_names_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    vomsdir = Vomsdir(tmp_path / "vomsdir")
    (tmp_path / "voms.lsc").write_text(f"{HOST}\n{CA}\n")
    with pytest.raises(CredentialError):
        vomsdir.chains(name, "voms")
    with pytest.raises(CredentialError):
        vomsdir.chains("vo", name)
