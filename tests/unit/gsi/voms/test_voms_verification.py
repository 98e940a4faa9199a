"""Every named attribute certificate: the verdict, the number of the check that refuses, and what is remembered."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

import acs
import chains
import pki
from gsi.credential import Credential
from gsi.peer import Peer, VoAttributes
from gsi.rules import Rules
from gsi.trust import Trust
from gsi.voms import Finding, Verifier, claims, verification
from gsi.voms.certificate import ACS, extension_value
from testbed import ca
from testbed.voms import VomsServer, write_vomsdir


@pytest.fixture(scope="module")
def trust() -> Trust:
    return Trust(acs.ca_dir(), Rules(), acs.vomsdir())


def chain(credential: Credential) -> list[x509.Certificate]:
    return [credential.certificate, *credential.chain]


def examine(trust: Trust, credential: Credential) -> tuple[Finding, ...]:
    return trust.voms.examine(trust.verify(chain(credential)).chain, credential.proxies)


@pytest.mark.parametrize("name", acs.ACCEPTED)
def test_accepted(trust: Trust, name: str) -> None:
    fqans, make = acs.ACCEPTED[name]
    peer = trust.verify(chain(make()))
    assert peer.fqans == fqans
    assert tuple(dict.fromkeys(fqan for vo in peer.vos for fqan in vo.fqans)) == fqans
    assert trust.peer(peer.chain) == peer


@pytest.mark.parametrize("name", acs.REFUSED)
def test_refused(trust: Trust, name: str) -> None:
    step, make = acs.REFUSED[name]
    credential = make()
    peer = trust.verify(chain(credential))
    assert (peer.dn, peer.fqans, peer.vos) == (pki.USER_DN, (), ())
    finding, = trust.voms.examine(peer.chain, credential.proxies)
    assert finding.error is not None and finding.verified is None
    assert finding.error.step == step
    assert f"(check {step})" in str(finding.error)


def test_a_bad_issuer_spoils_nothing_for_others(tmp_path: Path) -> None:
    """What comes first bears the name of the server in a form that cannot be read."""
    host = "fresh.example.org"
    server = VomsServer(acs.VO, ca.issue_host(pki.authority(), host, key=ca.ec_key()), host)
    trust = Trust(pki.ca_dir(), Rules(), write_vomsdir(tmp_path, [server]))
    bad = acs.with_issuer(chains.unknown_to_openssl, server)
    assert trust.verify(chain(acs.proxy(bad))).fqans == ()
    assert trust.verify(chain(acs.proxy(acs.ac(server)))).fqans == ("/testvo",)


def test_what_is_known_of_the_attributes(trust: Trust) -> None:
    credential = acs.proxy(acs.ac(fqans=["/testvo/a/Role=b"], attributes=[acs.NICKNAME]))
    vo, = trust.verify(chain(credential)).vos
    claim, = claims([credential.certificate])
    assert not isinstance(claim, Exception)
    assert vo == VoAttributes(
        vo="testvo", fqans=("/testvo/a/Role=b",), attributes=(acs.NICKNAME,), not_after=claim.not_after,
        issuer=f"/DC=org/DC=example/CN={acs.HOST}", server=f"{acs.HOST}:15000")


def test_an_identity_without_proxy_has_none(trust: Trust) -> None:
    assert trust.verify(chain(pki.user())).vos == ()
    assert trust.verify(chain(pki.proxy())).vos == ()
    assert trust.voms.examine(chain(pki.user()), 0) == ()


def test_each_stands_for_itself(trust: Trust) -> None:
    findings = examine(trust, acs.ACCEPTED["a good one beside a bad one"][1]())
    assert [(finding.error.step if finding.error else None, finding.verified is not None) for finding in findings] == [
        (4, False), (None, True)]
    assert all(finding.claimed and finding.claimed.vo == "testvo" for finding in findings)


def test_sha1_is_admitted_where_the_rules_say_so() -> None:
    lenient = Trust(acs.ca_dir(), Rules(sha1_attributes=True), acs.vomsdir())
    assert lenient.verify(chain(acs.REFUSED["SHA-1"][1]())).fqans == ("/testvo",)
    assert lenient.verify(chain(acs.REFUSED["changed"][1]())).fqans == ()


def test_without_vomsdir_no_server_is_known(tmp_path: Path) -> None:
    finding, = examine(Trust(acs.ca_dir(), Rules(), tmp_path / "missing"), acs.proxy(acs.ac()))
    assert finding.error is not None and finding.error.step == 7


def test_a_refusal_is_logged_once_with_its_number(trust: Trust, caplog: pytest.LogCaptureFixture) -> None:
    expired, tampered = acs.REFUSED["expired"][1](), acs.REFUSED["changed"][1]()
    with caplog.at_level(logging.WARNING, "gsi.voms"):
        for credential in (expired, tampered, expired, tampered):
            trust.verify(chain(credential))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert pki.USER_DN in told[0] and "testvo" in told[0] and "(check 4)" in told[0]
    assert "(check 12)" in told[1]


def test_reasons_name_no_path(tmp_path: Path) -> None:
    (tmp_path / "testvo").mkdir()
    (tmp_path / "testvo" / f"{acs.HOST}.lsc").write_text("nonsense")
    finding, = examine(Trust(acs.ca_dir(), Rules(), tmp_path), acs.proxy(acs.ac()))
    assert finding.error is not None and finding.error.step == 7
    assert f"testvo/{acs.HOST}.lsc" in str(finding.error) and str(tmp_path) not in str(finding.error)


class Clock(datetime):
    """A clock that can be set."""

    ahead = timedelta(0)

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) + cls.ahead


def test_validity_is_checked_at_every_use(trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    credential = acs.proxy(acs.ac(lifetime=timedelta(hours=1)))
    peer = trust.verify(chain(credential))
    assert peer.fqans == ("/testvo",)
    monkeypatch.setattr(Clock, "ahead", timedelta(hours=2))
    monkeypatch.setattr(verification, "datetime", Clock)
    finding, = trust.voms.examine(peer.chain, 1)
    assert finding.error is not None and finding.error.step == 4


class Counting:
    """Stands for the verification of issuers, and counts."""

    def __init__(self, trust: Trust) -> None:
        self.calls = 0
        self._trust = trust

    def __call__(self, certificates: object) -> Peer:
        self.calls += 1
        return self._trust.verify(certificates)  # type: ignore[arg-type]


def test_an_issuer_is_not_verified_for_every_client(trust: Trust) -> None:
    """Unless the machine is so slow that the short time ends meanwhile: then it is verified again, and still right."""
    verify = Counting(trust)
    verifier = Verifier(acs.vomsdir(), Rules(), verify, lambda: 1)
    proxies = [acs.proxy(acs.ac(fqans=[f"/testvo/{number}"])) for number in range(20)]
    for number, credential in enumerate(proxies):
        vo, = verifier.attributes(chain(credential), 1)
        assert vo.fqans == (f"/testvo/{number}",)
    assert verify.calls < 20
    stranger = acs.REFUSED["server of an unknown CA"][1]()
    assert verifier.attributes(chain(stranger), 1) == ()
    assert verifier.attributes(chain(stranger), 1) == ()


def test_a_revoked_issuer_is_forgotten_at_once(tmp_path: Path) -> None:
    """However well it was remembered: what the CA directory says now counts."""
    server = acs.server()
    authorities = ca.write_ca_directory(tmp_path, [pki.authority()])
    trust = Trust(authorities, Rules(), acs.vomsdir(), look_every_s=0)
    credential = acs.proxy(acs.ac())
    for _ in range(2):
        assert trust.verify(chain(credential)).fqans == ("/testvo",)
    ca.write_ca_directory(tmp_path, [pki.authority()], [server.credential.certificate])
    assert trust.verify(chain(credential)).fqans == ()
    finding, = examine(trust, credential)
    assert finding.error is not None and finding.error.step == 8 and "revoked" in str(finding.error)
    ca.write_ca_directory(tmp_path, [pki.authority()])
    assert trust.verify(chain(credential)).fqans == ("/testvo",)


def test_what_the_site_says_now_counts(tmp_path: Path) -> None:
    trust = Trust(acs.ca_dir(), Rules(), tmp_path)
    credential = acs.proxy(acs.ac())
    assert trust.verify(chain(credential)).fqans == ()
    write_vomsdir(tmp_path, [acs.server()])
    assert trust.verify(chain(credential)).fqans == ("/testvo",)
    (tmp_path / acs.VO / f"{acs.HOST}.lsc").write_text(acs.second().lsc)
    assert trust.verify(chain(credential)).fqans == ()


def test_hosts_that_are_meant(trust: Trust) -> None:
    hosts = {"one.example.org", "two.example.org"}
    verifier = Verifier(acs.vomsdir(), Rules(), trust.verify, lambda: 1, lambda: hosts)
    for target, counts in (("two.example.org", True), ("TWO.example.org", True), ("three.example.org", False),
                           ("example.org", False), ("https://two.example.org/", False)):
        found = verifier.attributes(chain(acs.proxy(acs.ac(targets=[target]))), 1)
        assert bool(found) is counts, target


@pytest.fixture(scope="module")
def sample() -> tuple[Credential, bytes]:
    credential = acs.proxy(acs.ac(fqans=["/testvo/Role=users"], attributes=[acs.NICKNAME], targets=[acs.this_host()]))
    value = extension_value(credential.certificate)
    assert value is not None
    return credential, value


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_change_of_octets_gives_other_attributes(
    trust: Trust, sample: tuple[Credential, bytes], data: st.DataObject,
) -> None:
    octets = bytearray(sample[1])
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    forged = _with_extension(bytes(octets))
    for finding in trust.voms.examine([forged, pki.user().certificate], 1):
        if finding.verified is not None:
            assert finding.verified.fqans == ("/testvo/Role=users",)
            assert finding.verified.attributes == (acs.NICKNAME,)
        else:
            assert finding.error is not None


_KEY = ca.ec_key()


def _with_extension(octets: bytes) -> x509.Certificate:
    """A certificate that carries the octets; nobody looks at the rest of it here."""
    now = datetime.now(UTC)
    return ca._builder(ca.parse_dn("/CN=x"), ca.parse_dn("/CN=x"), _KEY, now, now + acs.HOUR).add_extension(
        x509.UnrecognizedExtension(ACS, octets), critical=False,
    ).sign(_KEY, hashes.SHA256())
