"""The delegation store: what GridSite's rules say, and what somebody else cannot do."""

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

import chains
import pki
import zoo
from gsi.credential import Credential
from gsi.delegation import DelegationStore, check_id, generated_id, url_encode
from gsi.errors import CredentialError, DelegationError
from gsi.peer import ProxyKind
from gsi.proxy import certificate_request, create_proxy, new_key, sign_request
from gsi.rules import Rules
from gsi.trust import Trust

ENCODED = "%2FDC%3Dorg%2FDC%3Dexample%2FCN%3DTest%20User"


@pytest.fixture
def store(tmp_path: Path) -> DelegationStore:
    return DelegationStore(tmp_path / "proxycache", pki.trust())


def delegate(store: DelegationStore, issuer: Credential, dn: str = pki.USER_DN, name: str = "id1") -> Path:
    return store.put(dn, name, sign_request(issuer, store.new_request(dn, name))).path


def test_a_delegated_proxy_speaks_for_the_user(store: DelegationStore) -> None:
    delegate(store, pki.proxy())
    credential = store.credential(pki.USER_DN, "id1")
    peer = pki.trust().verify([credential.certificate, *credential.chain])
    assert peer.dn == pki.USER_DN and not peer.limited
    assert Credential.load(store.path(pki.USER_DN, "id1")) == credential


def test_layout_and_modes(store: DelegationStore, tmp_path: Path) -> None:
    request = store.new_request(pki.USER_DN, "id1")
    root = tmp_path / "proxycache"
    pending = root / "cache" / ENCODED / "id1"
    key, = pending.iterdir()
    assert key.name.startswith("userkey_") and len(key.name) == len("userkey_") + 6
    path = store.put(pki.USER_DN, "id1", sign_request(pki.proxy(), request).decode()).path
    assert path == root / ENCODED / "id1" / "userproxy.pem"
    assert not list(pending.iterdir()), "the key of the answered request is gone"
    for entry in root.rglob("*"):
        assert stat.S_IMODE(entry.stat().st_mode) == (0o700 if entry.is_dir() else 0o600), entry
    blocks = [line for line in path.read_text().splitlines() if line.startswith("-----BEGIN")]
    assert blocks[1] == "-----BEGIN RSA PRIVATE KEY-----"
    assert {*blocks[:1], *blocks[2:]} == {"-----BEGIN CERTIFICATE-----"}


def test_the_key_never_leaves(store: DelegationStore) -> None:
    request = store.new_request(pki.USER_DN, "id1")
    assert b"PRIVATE KEY" not in request
    assert x509.load_pem_x509_csr(request).is_signature_valid


def test_any_pending_request_can_be_answered(store: DelegationStore) -> None:
    first, second = (store.new_request(pki.USER_DN, "id1") for _ in range(2))
    store.put(pki.USER_DN, "id1", sign_request(pki.proxy(), first))
    store.put(pki.USER_DN, "id1", sign_request(pki.proxy(), second))


def test_a_client_that_only_asks_fills_no_disk(store: DelegationStore, tmp_path: Path) -> None:
    requests = [store.new_request(pki.USER_DN, "id1", key_bits=1024) for _ in range(15)]
    assert len(list((tmp_path / "proxycache" / "cache" / ENCODED / "id1").iterdir())) == 10
    assert len(requests) == 15


def test_a_limited_proxy_stays_limited(store: DelegationStore) -> None:
    delegate(store, chains.proxies(1, limited=True))
    credential = store.credential(pki.USER_DN, "id1")
    assert pki.trust().verify([credential.certificate, *credential.chain]).limited


def test_renewal_replaces_and_keeps_the_old_one_until_then(store: DelegationStore) -> None:
    delegate(store, create_proxy(pki.user(), timedelta(hours=1)))
    old = store.termination_time(pki.USER_DN, "id1")
    request = store.renewal_request(pki.USER_DN, "id1")
    assert store.termination_time(pki.USER_DN, "id1") == old
    store.put(pki.USER_DN, "id1", sign_request(pki.user(), request, timedelta(hours=10)))
    assert store.termination_time(pki.USER_DN, "id1") > old


def test_termination_time_is_that_of_the_shortest_certificate(store: DelegationStore) -> None:
    short = create_proxy(pki.user(), timedelta(hours=1))
    delegate(store, short)
    assert store.termination_time(pki.USER_DN, "id1") == short.not_after


def test_what_is_not_there(store: DelegationStore) -> None:
    for operation in (store.renewal_request, store.termination_time, store.destroy, store.path, store.credential):
        with pytest.raises(DelegationError, match="no such delegation"):
            operation(pki.USER_DN, "id1")


def test_destroy_leaves_nothing(store: DelegationStore, tmp_path: Path) -> None:
    delegate(store, pki.proxy())
    delegate(store, pki.proxy(), name="id2")
    store.new_request(pki.USER_DN, "id1")
    store.destroy(pki.USER_DN, "id1")
    assert not list((tmp_path / "proxycache").rglob("id1"))
    with pytest.raises(DelegationError):
        store.path(pki.USER_DN, "id1")
    store.path(pki.USER_DN, "id2")


def test_a_delegation_belongs_to_its_dn(store: DelegationStore) -> None:
    delegate(store, pki.proxy())
    for operation in (store.renewal_request, store.termination_time, store.destroy, store.path, store.credential):
        with pytest.raises(DelegationError, match="no such delegation"):
            operation(pki.OTHER_DN, "id1")
    delegate(store, create_proxy(pki.other()), dn=pki.OTHER_DN)
    assert store.credential(pki.OTHER_DN, "id1").dn == pki.OTHER_DN
    assert store.credential(pki.USER_DN, "id1").dn == pki.USER_DN


def test_nobody_puts_a_proxy_of_somebody_else(store: DelegationStore) -> None:
    request = store.new_request(pki.USER_DN, "id1")
    with pytest.raises(DelegationError, match="somebody else"):
        store.put(pki.USER_DN, "id1", sign_request(pki.other(), request))


def test_the_request_of_another_delegation_is_not_answered(store: DelegationStore) -> None:
    request = store.new_request(pki.USER_DN, "id1")
    signed = sign_request(pki.proxy(), request)
    with pytest.raises(DelegationError, match="no proxy was requested"):
        store.put(pki.USER_DN, "id2", signed)
    store.new_request(pki.USER_DN, "id2")
    with pytest.raises(DelegationError, match="answers no request"):
        store.put(pki.USER_DN, "id2", signed)


@pytest.mark.parametrize("name", [name for name in zoo.REFUSED if "SHA-1" not in name])
def test_a_chain_that_does_not_verify_is_not_stored(tmp_path: Path, name: str) -> None:
    store = DelegationStore(tmp_path / "proxycache", Trust(zoo.ca_dir(), Rules()))
    credential = zoo.REFUSED[name].make()
    store.new_request(pki.USER_DN, "id1", key_bits=1024)
    with pytest.raises(DelegationError):
        store.put(pki.USER_DN, "id1", credential.chain_pem())
    with pytest.raises(DelegationError, match="no such delegation"):
        store.path(pki.USER_DN, "id1")


@pytest.mark.parametrize("kind", [ProxyKind.RFC3820, ProxyKind.LEGACY, ProxyKind.DRAFT])
@pytest.mark.parametrize("limited", [False, True])
def test_every_kind_of_proxy_can_be_delegated_and_delegated_further(
    store: DelegationStore, kind: ProxyKind, limited: bool
) -> None:
    first = create_proxy(pki.user(), kind=kind, limited=limited)
    stored = store.put(pki.USER_DN, "id1", sign_request(first, store.new_request(pki.USER_DN, "id1")))
    assert (stored.peer.dn, stored.peer.proxy_kind, stored.peer.limited) == (pki.USER_DN, kind, limited)
    again = sign_request(store.credential(pki.USER_DN, "id1"), store.new_request(pki.USER_DN, "id2"))
    assert store.put(pki.USER_DN, "id2", again).peer.limited is limited


def test_sha1_is_no_hindrance_to_a_legacy_proxy_that_is_delegated(store: DelegationStore) -> None:
    stored = store.put(pki.USER_DN, "id1", with_sha1(store, "proxy", pki.user()))
    assert stored.peer.proxy_kind is ProxyKind.LEGACY
    assert stored.credential.certificate.signature_hash_algorithm.name == "sha1"  # type: ignore[union-attr]


def with_sha1(store: DelegationStore, cn: str, issuer: Credential) -> bytes:
    """What GridSite's tools answer to a request: no ProxyCertInfo, SHA-1."""
    request = x509.load_pem_x509_csr(store.new_request(pki.USER_DN, "id1"))
    key = request.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    made = chains.forge(issuer, cn, information=None, sha1=True, key=_Public(key))  # type: ignore[arg-type]
    return made.chain_pem()


class _Public:
    """Half a key, for a certificate: the private half is the server's."""

    def __init__(self, key: rsa.RSAPublicKey) -> None:
        self.public_key = lambda: key


def test_a_proxy_that_lacks_its_mark_is_refused_in_words_of_use(store: DelegationStore) -> None:
    answer = with_sha1(store, "227525590", pki.proxy())
    with pytest.raises(DelegationError, match="lacks ProxyCertInfo.*glite-wms-job-delegate-proxy"):
        store.put(pki.USER_DN, "id1", answer)


def test_an_answer_cannot_be_put_twice(store: DelegationStore) -> None:
    """A replay of an old putProxy brings no earlier, perhaps stolen, state back."""
    answer = sign_request(pki.proxy(), store.new_request(pki.USER_DN, "id1"))
    store.put(pki.USER_DN, "id1", answer)
    newer = store.put(pki.USER_DN, "id1", sign_request(pki.proxy(), store.new_request(pki.USER_DN, "id1")))
    with pytest.raises(DelegationError, match="answers no request"):
        store.put(pki.USER_DN, "id1", answer)
    assert store.credential(pki.USER_DN, "id1") == newer.credential


def test_a_proxy_with_another_key_is_not_stored(store: DelegationStore) -> None:
    store.new_request(pki.USER_DN, "id1")
    with pytest.raises(DelegationError, match="answers no request"):
        store.put(pki.USER_DN, "id1", sign_request(pki.proxy(), certificate_request(new_key(2048))))


def test_a_short_key_is_refused(store: DelegationStore) -> None:
    request = store.new_request(pki.USER_DN, "id1", key_bits=1024)
    with pytest.raises(DelegationError, match="1024"):
        store.put(pki.USER_DN, "id1", sign_request(pki.proxy(), request))


def test_a_limited_caller_puts_limited_proxies_only(store: DelegationStore) -> None:
    answer = sign_request(pki.proxy(), store.new_request(pki.USER_DN, "id1"))
    with pytest.raises(DelegationError, match="limited proxy cannot delegate a full one"):
        store.put(pki.USER_DN, "id1", answer, limited=True)
    assert store.is_limited(pki.USER_DN, "id1"), "nothing was stored"
    store.put(pki.USER_DN, "id1", answer)
    assert not store.is_limited(pki.USER_DN, "id1")


def test_one_user_cannot_fill_the_store(store: DelegationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gsi.delegation.MAX_DELEGATIONS", 2)
    for name in ("id1", "id2"):
        delegate(store, pki.proxy(), name=name)
    with pytest.raises(DelegationError, match="more than 2 delegations"):
        store.new_request(pki.USER_DN, "id3")
    store.new_request(pki.USER_DN, "id2")
    store.new_request(pki.OTHER_DN, "id3")
    store.destroy(pki.USER_DN, "id1")
    store.new_request(pki.USER_DN, "id3")


def test_one_user_cannot_fill_the_disk_with_questions(store: DelegationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gsi.delegation.MAX_PENDING_DELEGATIONS", 2)
    for name in ("id1", "id2"):
        store.new_request(pki.USER_DN, name)
    with pytest.raises(DelegationError, match="more than 2 delegations"):
        store.new_request(pki.USER_DN, "id3")
    store.new_request(pki.USER_DN, "id1")


def test_an_end_entity_is_no_proxy(store: DelegationStore) -> None:
    store.new_request(pki.USER_DN, "id1")
    with pytest.raises(DelegationError, match="no proxy"):
        store.put(pki.USER_DN, "id1", pki.user().chain_pem())


@given(text=st.binary(max_size=200))
def test_any_text_is_a_proxy_or_a_delegation_error(text: bytes) -> None:
    with pytest.raises(DelegationError):
        DelegationStore(pki.folder() / "nothing", pki.trust()).put(pki.USER_DN, "id1", text)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a b", "a\0", "é", "a\n", "x" * 201, "%2e"])
def test_illegal_ids(store: DelegationStore, name: str) -> None:
    with pytest.raises(DelegationError, match="delegation id"):
        store.new_request(pki.USER_DN, name)
    with pytest.raises(DelegationError, match="delegation id"):
        store.path(pki.USER_DN, name)


@pytest.mark.parametrize("name", ["a", "A1.b,c_d-e", "...", "x" * 200])
def test_legal_ids(name: str) -> None:
    assert check_id(name) == name


def test_a_dn_that_no_file_name_can_hold(store: DelegationStore) -> None:
    with pytest.raises(DelegationError, match="too long"):
        store.new_request("/CN=" + "x" * 300, "id1")
    for dn in ("", "cache", ".."):
        with pytest.raises(DelegationError, match="distinguished name"):
            store.new_request(dn, "id1")


def test_links_are_not_followed(store: DelegationStore, tmp_path: Path) -> None:
    delegate(store, pki.proxy())
    path = store.path(pki.USER_DN, "id1")
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    for operation in (store.path, store.credential, store.destroy):
        with pytest.raises(DelegationError):
            operation(pki.USER_DN, "id1")
    home = path.parent
    path.unlink()
    home.rmdir()
    target = tmp_path / "target"
    target.mkdir()
    home.symlink_to(target)
    with pytest.raises(DelegationError):
        delegate(store, pki.proxy())
    assert not os.listdir(target)


def test_generated_id_follows_gridsite() -> None:
    """First 8 bytes of SHA-1 over GRST_CRED_0, … (wms.md 1.11): stable for one credential, new for another."""
    credential = pki.proxy()
    peer = pki.trust().verify([credential.certificate, *credential.chain])
    made = generated_id(peer)
    assert len(made) == 16 and set(made) <= set("0123456789abcdef")
    assert made == generated_id(peer)
    again = create_proxy(pki.user())
    assert made != generated_id(pki.trust().verify([again.certificate, *again.chain]))
    assert generated_id(pki.trust().verify([pki.user().certificate])) != made


def test_url_encoding() -> None:
    assert url_encode(pki.USER_DN) == ENCODED
    assert url_encode("a~b_c-d.é%/") == "a%7Eb_c-d.%C3%A9%25%2F"


@pytest.mark.parametrize("request_pem", [
    b"", b"garbage", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
])
def test_a_client_signs_no_garbage(request_pem: bytes) -> None:
    with pytest.raises(CredentialError):
        sign_request(pki.user(), request_pem)


def test_a_client_signs_no_request_with_a_false_signature() -> None:
    good = x509.load_pem_x509_csr(certificate_request(pki.user().key))
    octets = bytearray(good.public_bytes(Encoding.DER))
    octets[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(octets)).public_bytes(Encoding.PEM)
    with pytest.raises(CredentialError, match="not signed with its own key"):
        sign_request(pki.user(), forged)
