"""Credentials: where they are found, what is refused, what is written; and the proxies made of them."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

import chains
import pki
from gsi.context import client_ssl_context
from gsi.credential import Credential, ca_directory, key_to_pem
from gsi.errors import CredentialError
from gsi.proxy import create_proxy
from gsi.trust import Trust
from testbed import ca


def test_a_proxy_file_comes_back_as_it_was(tmp_path: Path) -> None:
    pki.proxy().save(tmp_path / "proxy")
    assert stat.S_IMODE((tmp_path / "proxy").stat().st_mode) == 0o600
    assert Credential.load(tmp_path / "proxy") == pki.proxy()
    assert os.listdir(tmp_path) == ["proxy"], "no temporary file is left"


def test_a_pair_comes_back_as_it_was() -> None:
    certificate, key = pki.user_files()
    assert stat.S_IMODE(key.stat().st_mode) == 0o400
    assert Credential.load_pair(certificate, key) == pki.user()


def test_the_dn_is_that_of_the_end_entity() -> None:
    assert pki.user().dn == pki.proxy().dn == chains.proxies(3).dn == pki.USER_DN
    assert (pki.user().proxies, chains.proxies(3).proxies) == (0, 3)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "proxy"
    pki.proxy().save(path)
    path.chmod(mode)
    with pytest.raises(CredentialError, match="chmod 600"):
        Credential.load(path)


def test_what_cannot_be_a_credential(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def refusal(octets: bytes) -> str:
        path.write_bytes(octets)
        path.chmod(0o600)
        with pytest.raises(CredentialError) as error:
            Credential.load(path)
        assert str(path) in str(error.value)
        return str(error.value)

    user, other = pki.user(), pki.other()
    assert "not a PEM certificate" in refusal(b"")
    assert "no private key" in refusal(user.chain_pem())
    assert "does not belong" in refusal(Credential(user.certificate, other.key).to_pem())
    encrypted = user.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw"))
    assert "encrypted" in refusal(user.chain_pem() + encrypted)
    strange = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    assert "neither RSA nor EC" in refusal(user.chain_pem() + strange)
    broken = b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"
    assert "cannot be read" in refusal(user.chain_pem() + broken)
    with pytest.raises(CredentialError, match="No such file"):
        Credential.load(tmp_path / "absent")


def test_an_encrypted_key_with_its_password(tmp_path: Path) -> None:
    (tmp_path / "cert").write_bytes(pki.user().chain_pem())
    (tmp_path / "key").write_bytes(pki.user().key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")))
    (tmp_path / "key").chmod(0o400)
    assert Credential.load_pair(tmp_path / "cert", tmp_path / "key", b"pw") == pki.user()
    with pytest.raises(CredentialError):
        Credential.load_pair(tmp_path / "cert", tmp_path / "key", b"wrong")


@given(st.binary(max_size=300))
def test_any_text_is_a_credential_or_a_credential_error(text: bytes) -> None:
    with pytest.raises(CredentialError):
        Credential.from_pem(b"-----BEGIN CERTIFICATE-----\n" + text)


def test_where_a_credential_is_found(tmp_path: Path) -> None:
    if Path(f"/tmp/x509up_u{os.getuid()}").exists():
        pytest.skip("this account has a proxy in the standard place")
    home = tmp_path / "home"
    (home / ".globus").mkdir(parents=True)
    environment = {"HOME": str(home)}
    with pytest.raises(CredentialError, match="glite-proxy-init"):
        Credential.find(environment)
    ca.save_pair(pki.other(), home / ".globus/usercert.pem", home / ".globus/userkey.pem")
    assert Credential.find(environment) == pki.other()
    certificate, key = pki.user_files()
    environment |= {"X509_USER_CERT": str(certificate), "X509_USER_KEY": str(key)}
    assert Credential.find(environment) == pki.user()
    environment["X509_USER_PROXY"] = str(pki.proxy_file())
    assert Credential.find(environment) == pki.proxy()
    environment["X509_USER_PROXY"] = str(tmp_path / "absent")
    with pytest.raises(CredentialError, match="absent"):
        Credential.find(environment)


def test_where_the_cas_are(tmp_path: Path) -> None:
    assert ca_directory({"HOME": str(tmp_path)}) == Path("/etc/grid-security/certificates")
    (tmp_path / ".globus/certificates").mkdir(parents=True)
    assert ca_directory({"HOME": str(tmp_path)}) == tmp_path / ".globus/certificates"
    assert ca_directory({"HOME": str(tmp_path), "X509_CERT_DIR": "/x"}) == Path("/x")


def test_a_proxy_ends_with_its_issuer() -> None:
    short = create_proxy(pki.user(), timedelta(hours=1))
    assert create_proxy(short, timedelta(hours=100)).not_after == short.not_after
    assert create_proxy(pki.user(), timedelta(days=9999)).not_after == pki.user().not_after


def test_the_subject_of_a_proxy_is_its_issuers_and_its_serial_number() -> None:
    certificate = pki.proxy().certificate
    common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert common_names[-1].value == str(certificate.serial_number)
    assert certificate.not_valid_before_utc <= datetime.now(UTC)


def test_what_no_proxy_is_made_of() -> None:
    with pytest.raises(CredentialError, match="path length"):
        create_proxy(chains.proxies(1, path_length=0))
    expired = chains.forge(pki.user(), begin=-2 * chains.HOUR, end=-chains.HOUR)
    with pytest.raises(CredentialError, match="expired"):
        create_proxy(expired)


def test_secrets_are_not_in_texts() -> None:
    assert "key" not in repr(pki.proxy())
    assert "PRIVATE" not in repr(pki.proxy())


def test_contexts_need_a_ca_directory(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="CA directory"):
        Trust(tmp_path / "absent")
    with pytest.raises(CredentialError, match="CA directory"):
        client_ssl_context(None, tmp_path / "absent")


def test_a_ca_directory_is_what_openssl_wants() -> None:
    names = sorted(entry.suffix for entry in pki.ca_dir().iterdir())
    assert names == [".0", ".r0", ".signing_policy"]
    policy = next(pki.ca_dir().glob("*.signing_policy")).read_text()
    assert "'/DC=org/DC=example/CN=Test CA'" in policy


def test_a_credential_given_in_one_file_in_two_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pki.proxy().save(tmp_path / "whole")
    (tmp_path / "cert").write_bytes(pki.user().chain_pem())
    (tmp_path / "key").write_bytes(key_to_pem(pki.user().key))
    (tmp_path / "key").chmod(0o400)
    assert Credential.given(tmp_path / "whole") == pki.proxy()
    assert Credential.given(tmp_path / "cert", tmp_path / "key") == pki.user()
    monkeypatch.setenv("X509_USER_PROXY", str(tmp_path / "whole"))
    assert Credential.given(None) == pki.proxy()
