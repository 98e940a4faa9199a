"""The whole zoo through Trust.verify, and through the numbered checks alone."""

import pytest

import pki
import zoo
from gsi.errors import VerificationError
from gsi.rules import Rules
from gsi.trust import Trust

LENIENT = Rules(sha1_proxies=True, min_rsa_bits=1024)


@pytest.fixture(scope="module")
def trust() -> Trust:
    return Trust(zoo.ca_dir(), Rules())


@pytest.fixture(scope="module")
def lenient() -> Trust:
    return Trust(zoo.ca_dir(), LENIENT)


def accept(trust: Trust, name: str, case: zoo.Accepted) -> None:
    credential = case.make()
    peer = trust.verify([credential.certificate, *credential.chain])
    assert peer.dn == ("/DC=org/DC=example/CN=localhost" if name == "host" else pki.USER_DN)
    assert peer.rfc2253 == ",".join(reversed(peer.dn[1:].split("/")))
    assert (peer.proxy_kind, peer.limited) == (case.kind, case.limited)
    assert peer.chain[0] == credential.certificate
    assert peer.chain[-1].subject == peer.chain[-1].issuer
    assert peer.not_after == min(c.not_valid_after_utc for c in peer.chain)
    assert trust.peer(peer.chain) == peer


def refuse(trust: Trust, case: zoo.Refused) -> None:
    credential = case.make()
    with pytest.raises(VerificationError) as refusal:
        trust.verify([credential.certificate, *credential.chain])
    assert refusal.value.step == case.step, refusal.value
    assert str(refusal.value.step or refusal.value.reason) in str(refusal.value)


@pytest.mark.parametrize("name", zoo.ACCEPTED)
def test_accepted(trust: Trust, name: str) -> None:
    accept(trust, name, zoo.ACCEPTED[name])


@pytest.mark.parametrize("name", zoo.REFUSED)
def test_refused(trust: Trust, name: str) -> None:
    refuse(trust, zoo.REFUSED[name])


@pytest.mark.parametrize("name", zoo.LENIENT_ACCEPTED)
def test_accepted_by_lenient_rules(lenient: Trust, name: str) -> None:
    accept(lenient, name, zoo.LENIENT_ACCEPTED[name])


@pytest.mark.parametrize("name", zoo.LENIENT_REFUSED)
def test_refused_by_lenient_rules(lenient: Trust, name: str) -> None:
    refuse(lenient, zoo.LENIENT_REFUSED[name])
