"""The CA directory: what is read, what is passed over, and that changes are followed."""

import logging
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import chains
import pki
from gsi import cadirectory
from gsi.cadirectory import CaDirectory, old_subject_hash, subject_hash
from gsi.context import ServerContexts
from gsi.credential import pem
from gsi.errors import CredentialError, VerificationError
from gsi.peer import Peer
from gsi.proxy import create_proxy
from gsi.rules import CrlRule, Rules, SigningPolicyRule
from gsi.trust import Trust
from testbed import ca
from testbed.ca import Authority


@pytest.fixture(scope="module")
def authority() -> Authority:
    return ca.new_authority(key=ca.ec_key())


@pytest.fixture
def folder(tmp_path: Path, authority: Authority) -> Path:
    return ca.write_ca_directory(tmp_path / "certificates", [authority])


def base(folder: Path, authority: Authority) -> Path:
    return folder / ca.subject_hash(authority.certificate)


def replace(path: Path, content: bytes | str) -> None:
    """Put a new file in the place of the old one, as fetch-crl does."""
    new = path.with_name(".new")
    new.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.replace(new, path)


def verdict(trust: Trust, authority: Authority) -> Peer:
    trust.authorities(look=True)
    user = ca.issue_user(authority, pki.USER_DN, key=ca.ec_key())
    return trust.verify([user.certificate])


def test_a_directory_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="does not exist"):
        CaDirectory(tmp_path / "absent")


def test_nothing_is_read_again_while_nothing_changes(folder: Path) -> None:
    directory = CaDirectory(folder)
    first = directory.current()
    assert directory.current(look=True) is first
    (folder / "notes.txt").write_text("of no interest")
    assert directory.current(look=True) is first


def test_a_look_is_taken_every_so_often_only(folder: Path, authority: Authority) -> None:
    often, seldom = CaDirectory(folder, look_every_s=0), CaDirectory(folder, look_every_s=1e6)
    before = often.current(), seldom.current()
    base(folder, authority).with_suffix(".r0").unlink()
    assert often.current() is not before[0]
    assert seldom.current() is before[1]


def test_a_new_ca_is_believed_and_a_removed_one_is_not(folder: Path, authority: Authority) -> None:
    trust, other = Trust(folder, Rules()), ca.new_authority("/DC=org/DC=example/CN=Other CA", key=ca.ec_key())
    with pytest.raises(VerificationError):
        verdict(trust, other)
    ca.write_ca_directory(folder, [other])
    assert verdict(trust, other).dn == pki.USER_DN
    for file in folder.glob(f"{ca.subject_hash(other.certificate)}.*"):
        file.unlink()
    with pytest.raises(VerificationError):
        verdict(trust, other)
    assert verdict(trust, authority).dn == pki.USER_DN


def test_a_user_is_revoked_while_the_service_runs(folder: Path, authority: Authority) -> None:
    trust = Trust(folder, Rules(), look_every_s=0)
    user = ca.issue_user(authority, pki.USER_DN, key=ca.ec_key())
    proxy = create_proxy(user, key=ca.ec_key())
    assert trust.verify([proxy.certificate, *proxy.chain]).dn == pki.USER_DN
    replace(base(folder, authority).with_suffix(".r0"), ca.revocation_list(authority, [user.certificate]))
    with pytest.raises(VerificationError, match="revoked"):
        trust.verify([proxy.certificate, *proxy.chain])


def test_a_revocation_list_counts_under_any_name(folder: Path, authority: Authority) -> None:
    """In a handshake OpenSSL uses it as well."""
    user = ca.issue_user(authority, pki.USER_DN, key=ca.ec_key())
    base(folder, authority).with_suffix(".r0").unlink()
    (folder / "ExampleCA.r0").write_bytes(ca.revocation_list(authority, [user.certificate]))
    with pytest.raises(VerificationError, match="revoked"):
        Trust(folder, Rules()).verify([user.certificate])


def test_the_namespaces_of_a_ca_are_not_those_of_another_with_its_hash(
    folder: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who may name a CA below his own finds a name with the hash of a neighbour: 2^32 tries."""
    neighbour = ca.new_authority("/DC=org/DC=example/CN=Neighbour", key=ca.ec_key())
    ca.write_ca_directory(folder, [neighbour])
    base(folder, neighbour).with_suffix(".namespaces").write_text('TO Issuer SELF PERMIT Subject "/DC=org/.*"')
    below = ca.new_authority("/DC=org/DC=example/CN=Below", parent=authority, key=ca.ec_key())
    posing = ca.issue_user(below, pki.USER_DN, key=ca.ec_key())
    number = subject_hash(neighbour.certificate)
    monkeypatch.setattr(cadirectory, "subject_hash", lambda certificate: number if certificate == below.certificate
                        else subject_hash(certificate))
    trust = Trust(folder, Rules())
    assert trust.verify([ca.issue_user(neighbour, pki.USER_DN, key=ca.ec_key()).certificate])
    with pytest.raises(VerificationError, match="no signing policy"):
        trust.verify([posing.certificate, *posing.chain])


def test_a_policy_is_narrowed_while_the_service_runs(folder: Path, authority: Authority) -> None:
    trust = Trust(folder, Rules())
    assert verdict(trust, authority)
    path = base(folder, authority).with_suffix(".signing_policy")
    replace(path, path.read_text().replace("DC=example/*", "DC=other/*"))
    with pytest.raises(VerificationError, match="signing policy"):
        verdict(trust, authority)


def test_what_cannot_be_read_takes_nothing_along(
    folder: Path, authority: Authority, caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("11111111.0", "11111111.r0", "x.pem", "22222222.signing_policy", "22222222.namespaces"):
        (folder / name).write_bytes(b"\x30\x03broken\xff")
    (folder / "33333333.0").mkdir()
    (folder / "44444444.0").symlink_to("nowhere")
    (folder / "55555555.0").write_bytes(pem(pki.user().certificate))
    (folder / "66666666.0").write_bytes(_version_2(authority))
    with caplog.at_level(logging.ERROR):
        assert verdict(Trust(folder, Rules()), authority).dn == pki.USER_DN
    for name in ("11111111.0", "11111111.r0", "x.pem", "22222222.signing_policy", "33333333.0", "55555555.0",
                 "66666666.0"):
        assert name in caplog.text
    assert "44444444" not in caplog.text


def test_what_openssl_cannot_read_takes_nothing_along(
    folder: Path, authority: Authority, caplog: pytest.LogCaptureFixture,
) -> None:
    crl = x509.load_pem_x509_crl(ca.revocation_list(authority)).public_bytes(Encoding.DER)
    (folder / "77777777.0").write_bytes(pem(chains.unknown_to_openssl(authority.certificate)))
    (folder / "77777777.r0").write_bytes(crl.replace(b"\x16\x03org", b"\x04\x03org"))
    (folder / "88888888.r0").write_bytes(crl.replace(b"\x16\x03org", b"\x03\x03\0rg"))
    trust = Trust(folder, Rules())
    assert verdict(trust, authority).dn == pki.USER_DN
    assert all(name in caplog.text for name in ("77777777.0", "77777777.r0", "88888888.r0"))
    assert ServerContexts(pki.host(), trust).current()


def test_a_chain_with_what_openssl_cannot_read_is_refused(folder: Path, authority: Authority) -> None:
    user = ca.issue_user(authority, pki.USER_DN, key=ca.ec_key())
    for chain in ([user.certificate, chains.unknown_to_openssl(authority.certificate)],
                  [chains.unknown_to_openssl(user.certificate)]):
        with pytest.raises(VerificationError, match="cannot be read"):
            Trust(folder, Rules()).verify(chain)


def _version_2(authority: Authority) -> bytes:
    octets = authority.certificate.public_bytes(Encoding.DER)
    return octets.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", 1)


def test_a_directory_that_goes_away_changes_nothing(
    folder: Path, authority: Authority, caplog: pytest.LogCaptureFixture,
) -> None:
    trust = Trust(folder, Rules())
    assert verdict(trust, authority)
    folder.rename(folder.with_name("away"))
    assert verdict(trust, authority)
    assert "cannot be read" in caplog.text


def test_files_may_bear_the_name_of_the_ca_or_the_old_hash(folder: Path, authority: Authority) -> None:
    named, old = folder / "ExampleCA", folder / f"{old_subject_hash(authority.certificate):08x}"
    for suffix, stem in ((".0", named), (".signing_policy", named), (".r0", old)):
        path = base(folder, authority).with_suffix(suffix)
        path.rename(stem.with_suffix(".pem" if suffix == ".0" else suffix))
    assert verdict(Trust(folder, Rules(CrlRule.REQUIRE)), authority)
    old.with_suffix(".r0").write_bytes(b"broken")
    with pytest.raises(VerificationError, match="CRL"):
        verdict(Trust(folder, Rules()), authority)


def test_der_is_read_as_well(folder: Path, authority: Authority) -> None:
    base(folder, authority).with_suffix(".0").write_bytes(authority.certificate.public_bytes(Encoding.DER))
    crl = x509.load_pem_x509_crl(ca.revocation_list(authority))
    base(folder, authority).with_suffix(".r0").write_bytes(crl.public_bytes(Encoding.DER))
    assert verdict(Trust(folder, Rules(CrlRule.REQUIRE)), authority)


@pytest.mark.parametrize(("rule", "crl", "accepted"), [
    (CrlRule.IF_PRESENT, None, True), (CrlRule.REQUIRE, None, False),
    (CrlRule.IF_PRESENT, timedelta(days=1), True), (CrlRule.REQUIRE, timedelta(days=1), True),
    (CrlRule.IF_PRESENT, timedelta(seconds=-1), False), (CrlRule.REQUIRE, timedelta(seconds=-1), False),
])
def test_the_rule_for_revocation_lists(
    folder: Path, authority: Authority, rule: CrlRule, crl: timedelta | None, accepted: bool,
) -> None:
    path = base(folder, authority).with_suffix(".r0")
    path.unlink()
    if crl is not None:
        path.write_bytes(ca.revocation_list(authority, lifetime=crl))
    trust = Trust(folder, Rules(rule))
    if accepted:
        assert verdict(trust, authority)
        return
    with pytest.raises(VerificationError) as refusal:
        verdict(trust, authority)
    assert refusal.value.step == 22


@pytest.mark.parametrize(("rule", "brought", "accepted"), [
    (SigningPolicyRule.REQUIRE, False, False), (SigningPolicyRule.IF_PRESENT, False, True),
    (SigningPolicyRule.REQUIRE, True, False), (SigningPolicyRule.IF_PRESENT, True, False),
])
def test_the_rule_for_signing_policies(
    folder: Path, authority: Authority, rule: SigningPolicyRule, brought: bool, accepted: bool,
) -> None:
    """brought: the CA without policy is not in the directory, but below one that is and has a policy."""
    issuer = authority
    if brought:
        issuer = ca.new_authority("/DC=org/DC=example/CN=Below", parent=authority, key=ca.ec_key())
    else:
        base(folder, authority).with_suffix(".signing_policy").unlink()
    user = ca.issue_user(issuer, pki.USER_DN, key=ca.ec_key())
    trust = Trust(folder, Rules(signing_policy=rule))
    if accepted:
        assert trust.verify([user.certificate, *user.chain])
        return
    with pytest.raises(VerificationError) as refusal:
        trust.verify([user.certificate, *user.chain])
    assert refusal.value.step == 21


def test_contexts_follow_the_directory(folder: Path, authority: Authority) -> None:
    contexts = ServerContexts(pki.host(), Trust(folder, Rules(), look_every_s=0))
    first = contexts.current()
    assert contexts.current() is first
    replace(base(folder, authority).with_suffix(".r0"), ca.revocation_list(authority))
    second = contexts.current()
    assert second is not first and contexts.current() is second


def test_contexts_read_the_credential_again(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> object:
        raise CredentialError("the key is gone")

    contexts = ServerContexts(pki.host(), Trust(folder, Rules()), reload=broken)  # type: ignore[arg-type]
    first = contexts.current()
    contexts.reload()
    assert contexts.current() is first and "the key is gone" in caplog.text
    contexts = ServerContexts(pki.host(), Trust(folder, Rules()), reload=pki.host)
    first = contexts.current()
    contexts.reload()
    assert contexts.current() is not first


def test_many_threads_read_one_directory(folder: Path, authority: Authority) -> None:
    trust, failed = Trust(folder, Rules(), look_every_s=0), []
    user = ca.issue_user(authority, pki.USER_DN, key=ca.ec_key())

    def work() -> None:
        try:
            for _ in range(50):
                trust.verify([user.certificate])
        except VerificationError as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        replace(base(folder, authority).with_suffix(".r0"), ca.revocation_list(authority))
    for thread in threads:
        thread.join()
    assert failed == []
