"""glite-check-credentials: every fault is found and comes with a remedy, and what is in order is said to be."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import acs
import pki
import zoo
from gsi.credential import write_secret
from gsi.proxy import create_proxy
from shared import ROOT
from testbed import ca

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.now(UTC)


@dataclass
class Site:
    """A machine that is in order; tests break one thing."""

    root: Path
    rules: str = ""

    @property
    def cert(self) -> Path:
        return self.root / "hostcert.pem"

    @property
    def key(self) -> Path:
        return self.root / "hostkey.pem"

    @property
    def cas(self) -> Path:
        return self.root / "certificates"

    @property
    def vomsdir(self) -> Path:
        return self.root / "vomsdir"

    def ca_file(self, suffix: str) -> Path:
        return self.cas / f"{ca.subject_hash(pki.authority().certificate)}{suffix}"

    def host(self, **options: Any) -> None:
        self.use(ca.issue_host(pki.authority(), "localhost", key=ca.ec_key(), **options))

    def use(self, credential: Any) -> None:
        for path in (self.cert, self.key):
            path.unlink(missing_ok=True)
        ca.save_pair(credential, self.cert, self.key)

    def check(self, *options: str, umask: int = 0o022) -> tuple[int, list[dict[str, str]]]:
        done = self.run("--json", *options, umask=umask)
        told = json.loads(done.stdout)
        assert done.returncode == {"OK": 0, "WARN": 1, "FAIL": 2}[told["state"]]
        return done.returncode, told["findings"]

    def run(self, *options: str, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root / "home"), "X509_USER_PROXY": "/none"}
        if self.rules:
            (self.root / "gsi.toml").write_text(self.rules)
            environment["GLITE_GSI_RULES"] = str(self.root / "gsi.toml")
        command = [sys.executable, "-m", "ui.check_credentials", "--certdir", str(self.cas), "--vomsdir",
                   str(self.vomsdir), "--cert", str(self.cert), "--key", str(self.key), "--host-name", "localhost"]
        done = subprocess.run([*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True,
                              check=False, umask=umask)
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    ca.write_ca_directory(made.cas, [pki.authority()])
    (made.vomsdir / acs.VO).mkdir(parents=True)
    (made.vomsdir / acs.VO / f"{acs.HOST}.lsc").write_text(acs.server().lsc)
    made.use(pki.host())
    return made


def test_all_is_well(site: Site) -> None:
    code, findings = site.check()
    assert code == 0
    assert {each["state"] for each in findings} == {"OK"}
    assert {each["area"] for each in findings} == {"host", "CA directory", "vomsdir", "rules", "machine"}
    done = site.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().endswith("All is well.")
    assert "is among" not in done.stdout and "has the alternative name localhost" in done.stdout


def test_quiet_shows_what_is_wrong_only(site: Site) -> None:
    assert site.run("-q").stdout == "All is well.\n"
    site.key.chmod(0o644)
    done = site.run("-q")
    assert done.returncode == 2 and "OK" not in done.stdout
    assert "others can read or write the key (mode 0644)" in done.stdout
    assert "Something does not work or is not safe." in done.stdout


# ---- one thing wrong ------------------------------------------------------------------------------------------------


def _write_crl(site: Site, octets: bytes) -> None:
    site.ca_file(".r0").write_bytes(octets)


def _crl(**options: Any) -> bytes:
    return ca.revocation_list(pki.authority(), **options)


def _other_subject(site: Site) -> None:
    site.ca_file(".0").rename(site.cas / "12345678.0")


def _policy(site: Site, text: str) -> None:
    site.ca_file(".signing_policy").write_text(text)


def _another_key(site: Site) -> None:
    site.key.unlink()
    write_secret(site.key, pki.user().to_pem())


def _lsc(site: Site, text: str) -> None:
    (site.vomsdir / acs.VO / f"{acs.HOST}.lsc").write_text(text)


def _without(*suffixes: str) -> Callable[[Site], None]:
    def remove(site: Site) -> None:
        for suffix in suffixes:
            site.ca_file(suffix).unlink()
    return remove


def _rules(text: str) -> Callable[[Site], None]:
    def write(site: Site) -> None:
        site.rules = text
    return write


def _expired_ca(site: Site) -> None:
    key, name = ca.ec_key(), ca.parse_dn("/DC=org/DC=example/CN=Old CA")
    builder = ca._builder(name, name, key, NOW - 3 * HOUR, NOW - HOUR)
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    certificate = builder.add_extension(constraints, critical=True).sign(key, hashes.SHA256())
    ca.write_ca_directory(site.cas, [ca.Authority(certificate, key)])


def _future(path: Callable[[Site], Path]) -> Callable[[Site], None]:
    def touch(site: Site) -> None:
        then = (datetime.now(UTC) + DAY).timestamp()
        os.utime(path(site), (then, then))
    return touch


#: Name: what is done to the site, state, area, words of the finding, words of the remedy.
FAULTS: dict[str, tuple[Callable[[Site], object], str, str, str, str]] = {
    "no certificate": (lambda s: s.cert.unlink(), "FAIL", "host", "cannot be read: No such file", "put it there"),
    "no key": (lambda s: s.key.unlink(), "FAIL", "host", "cannot be read: No such file", "put it there"),
    "certificate is garbage": (lambda s: s.cert.write_text("x"), "FAIL", "host", "PEM", "replace the file"),
    "key that others read": (lambda s: s.key.chmod(0o640), "FAIL", "host", "mode 0640", "chmod 600"),
    "certificate that others write": (lambda s: s.cert.chmod(0o666), "FAIL", "host", "others can replace",
                                      "chmod 644"),
    "key of another": (_another_key, "FAIL", "host",
                       "does not belong to the certificate", "the key that the certificate was made for"),
    "expired": (lambda s: s.host(not_before=NOW - 3 * HOUR, lifetime=HOUR), "FAIL", "host", "expired 2 hours ago",
                "ask your CA for a new certificate"),
    "from the future": (lambda s: s.host(not_before=NOW + HOUR, lifetime=HOUR), "FAIL", "host", "not valid before",
                        "check the clock"),
    "expires soon": (lambda s: s.host(lifetime=10 * DAY), "WARN", "host", "expires in 9 days", "ask your CA"),
    "unknown CA": (lambda s: s.use(ca.issue_host(pki.stranger(), "localhost")), "FAIL", "host", "does not verify",
                   "CA of your certificate is not trusted"),
    "revoked": (lambda s: _write_crl(s, _crl(revoked=[pki.host().certificate])), "FAIL", "host", "revoked",
                "withdrawn"),
    "another host name": (lambda s: s.use(ca.issue_host(pki.authority(), "a.example")), "FAIL", "host",
                          "localhost is not among its alternative names, it has only a.example", "--host-name"),
    "name in the subject only": (lambda s: s.use(ca.issue_user(pki.authority(), "/DC=org/DC=example/CN=localhost")),
                                 "FAIL", "host", "it has none at all", "dNSName"),
    "not for servers": (lambda s: s.use(ca.issue_user(pki.authority(), "/DC=org/DC=example/CN=localhost")), "FAIL",
                        "host", "no serverAuth", "ask your CA for a host certificate"),
    "no CA directory": (lambda s: s.cas.rename(s.root / "away"), "FAIL", "CA directory", "cannot be read",
                        "set X509_CERT_DIR"),
    "no CA": (_without(".0"), "FAIL", "CA directory", "holds no CA", "install the CA certificates"),
    "CA directory that others write": (lambda s: s.cas.chmod(0o777), "FAIL", "CA directory", "others can add CAs",
                                       "chmod 755"),
    "CA that others write": (lambda s: s.ca_file(".0").chmod(0o666), "FAIL", "CA directory", "others can write",
                             "chmod 644"),
    "wrong hash": (_other_subject, "WARN", "CA directory", "bears the wrong hash", "openssl rehash"),
    "no link": (lambda s: s.ca_file(".0").rename(s.cas / "ca.pem"), "WARN", "CA directory", "has no link",
                "openssl rehash"),
    "gap in the numbers": (lambda s: s.ca_file(".0").rename(s.ca_file(".1")), "WARN", "CA directory",
                           "is not found by OpenSSL", "openssl rehash"),
    "dangling link": (lambda s: (s.cas / "00000000.0").symlink_to("nowhere"), "FAIL", "CA directory",
                      "a file that is not there", "remove it"),
    "broken CA": (lambda s: (s.cas / "00000000.0").write_text("x"), "FAIL", "CA directory", "no certificate",
                  "install the CA again"),
    "no CA but a host": (lambda s: (s.cas / "host.pem").write_bytes(pki.host().chain_pem()), "FAIL", "CA directory",
                         "is no CA", "only CAs belong here"),
    "no CRL": (_without(".r0"), "WARN", "CA directory", "there is no revocation list", "fetch-crl"),
    "no CRL where one is required": (lambda s: (_without(".r0")(s), _rules('crl = "require"')(s)), "FAIL",
                                     "CA directory", "so everybody of this CA is refused", "fetch-crl"),
    "CRL expired": (lambda s: _write_crl(s, _crl(last_update=NOW - 3 * HOUR, lifetime=-HOUR)), "FAIL",
                    "CA directory", "expired", "fetch-crl"),
    "CRL expires soon": (lambda s: _write_crl(s, _crl(last_update=NOW - 9 * HOUR, lifetime=HOUR + HOUR / 2)),
                         "WARN", "CA directory", "expires in 1 hour", "fetch-crl"),
    "CRL is garbage": (lambda s: _write_crl(s, b"x"), "FAIL", "CA directory", "is no revocation list", "fetch-crl"),
    "CRL of another CA": (lambda s: _write_crl(s, ca.revocation_list(pki.stranger())), "FAIL", "CA directory",
                          "not of /DC=org/DC=example/CN=Test CA", "fetch-crl"),
    "CRL badly signed": (lambda s: _write_crl(s, ca.revocation_list(ca.Authority(
        pki.authority().certificate, ca.ec_key()))), "FAIL", "CA directory", "is not signed by", "fetch-crl"),
    "expired CA": (_expired_ca, "WARN", "CA directory", "/CN=Old CA expired", "update the CA certificates"),
    "CRL of nobody": (lambda s: (s.cas / "00000000.r0").write_bytes(ca.revocation_list(pki.stranger())), "WARN",
                      "CA directory", "belongs to no CA", "install its CA"),
    "no signing policy": (_without(".signing_policy"), "FAIL", "CA directory", "nothing says which names",
                          "signing policy that comes with it"),
    "no signing policy where none is required": (
        lambda s: (_without(".signing_policy")(s), _rules('signing_policy = "if-present"')(s)), "WARN",
        "CA directory", "so it may sign any name", "signing policy"),
    "signing policy is garbage": (lambda s: _policy(s, "x"), "FAIL", "CA directory", "cannot be read", "install"),
    "signing policy of another": (lambda s: _policy(s, ca.signing_policy(pki.stranger())), "FAIL", "CA directory",
                                  "does not speak of", "install"),
    "signing policy does not cover the host": (lambda s: _policy(s, ca.signing_policy(ca.Authority(
        pki.authority().certificate, pki.authority().key, namespace="/O=Elsewhere/*"))), "FAIL", "host",
        "does not allow /DC=org/DC=example/CN=localhost", "signing policy"),
    "no vomsdir": (lambda s: s.vomsdir.rename(s.root / "away"), "WARN", "vomsdir", "is not there", "X509_VOMS_DIR"),
    "vomsdir without VO": (lambda s: (s.vomsdir / acs.VO).rename(s.root / "away"), "WARN", "vomsdir", "names no VO",
                           "install the LSC files"),
    "VO without server": (lambda s: (s.vomsdir / "empty").mkdir(), "WARN", "vomsdir", "has no LSC file",
                          "install <host>.lsc"),
    "vomsdir that others write": (lambda s: s.vomsdir.chmod(0o777), "FAIL", "vomsdir", "others can add", "chmod 755"),
    "LSC is garbage": (lambda s: _lsc(s, "x"), "FAIL", "vomsdir", "cannot be understood", "two lines for each"),
    "LSC with half a pair": (lambda s: _lsc(s, "/CN=a\n"), "FAIL", "vomsdir", "cannot be understood", "two lines"),
    "LSC of nothing": (lambda s: _lsc(s, "# nothing\n"), "FAIL", "vomsdir", "names no certificate", "write subject"),
    "LSC of an unknown CA": (lambda s: _lsc(s, "/CN=voms\n/CN=Nobody\n"), "WARN", "vomsdir", "/CN=Nobody is not among",
                             "install that CA"),
    "expired VOMS certificate": (lambda s: (s.vomsdir / acs.VO / "x.pem").write_bytes(
        acs.expired().credential.chain_pem()), "WARN", "vomsdir", "expired", "put an LSC file"),
    "broken VOMS certificate": (lambda s: (s.vomsdir / "x.pem").write_text("x"), "FAIL", "vomsdir", "no certificate",
                                "again"),
    "rules that cannot be read": (_rules("crl = 1"), "FAIL", "rules", "crl", "etc/gsi.toml is an example"),
    "unknown rule": (_rules("crls = 1"), "FAIL", "rules", "did you mean", "etc/gsi.toml"),
    "loose hashes": (_rules("sha1_proxies = true"), "WARN", "rules", "sha1_proxies is looser", "remove the line"),
    "short keys": (_rules("min_rsa_bits = 1024"), "WARN", "rules", "min_rsa_bits is looser", "remove the line"),
    "endless proxies": (_rules("max_proxy_lifetime_hours = 0"), "WARN", "rules", "max_proxy_lifetime is looser",
                        "remove the line"),
    "files from the future": (_future(lambda s: s.cert), "FAIL", "machine", "in the future", "set the clock"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_with_its_remedy(site: Site, name: str) -> None:
    spoil, state, area, words, remedy = FAULTS[name]
    spoil(site)
    _, findings = site.check()
    found = [each for each in findings if each["state"] == state and each["area"] == area and words in each["text"]]
    assert found, findings
    assert any(remedy in each["remedy"] for each in found), found
    assert all(each["remedy"] for each in findings if each["state"] != "OK"), "no fault without a remedy"


def test_a_loose_umask(site: Site) -> None:
    code, findings = site.check(umask=0)
    assert code == 1
    assert [each["subject"] for each in findings if each["state"] == "WARN"] == ["umask"]


def test_most_lists_expired_is_a_matter_of_the_clock(site: Site) -> None:
    others = [ca.new_authority(f"/DC=org/DC=example/CN=CA {n}", key=ca.ec_key()) for n in range(2)]
    ca.write_ca_directory(site.cas, others)
    for authority in others:
        (site.cas / f"{ca.subject_hash(authority.certificate)}.r0").write_bytes(
            ca.revocation_list(authority, last_update=NOW - 3 * HOUR, lifetime=-HOUR))
    _, findings = site.check()
    clock, = [each for each in findings if each["subject"] == "clock"]
    assert clock["state"] == "WARN" and "2 of 3 revocation lists have expired" in clock["text"]


def test_a_key_with_a_pass_phrase_is_left_alone(site: Site) -> None:
    site.key.unlink()
    write_secret(site.key, pki.host().key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")))
    code, findings = site.check()
    assert code == 0 and any("is encrypted" in each["text"] for each in findings)


def test_proxies_and_users_are_checked_too(site: Site) -> None:
    create_proxy(pki.user(), HOUR / 2).save(site.root / "x509up")
    globus = site.root / "home" / ".globus"
    globus.mkdir(parents=True)
    ca.save_pair(pki.other(), globus / "usercert.pem", globus / "userkey.pem")
    code, findings = site.check("--proxy", str(site.root / "x509up"))
    assert code == 1
    warning, = [each["text"] for each in findings if each["area"] == "proxy" and each["state"] == "WARN"]
    assert warning.startswith("expires in ")
    assert any(each["area"] == "user" and pki.OTHER_DN in each["text"] for each in findings)


def test_the_zoo_of_cas(site: Site) -> None:
    """All that is wrong there is found in one go, and nothing of it ends the check."""
    done = site.run("--json", "--certdir", str(zoo.ca_dir()))
    told = [each["text"] for each in json.loads(done.stdout)["findings"] if each["area"] == "CA directory"]
    for words in ("is no CA", "is not there", "holds no certificate", "CA With An Expired CRL is",
                  "not signed by /DC=org/DC=example/CN=CA With A Badly Signed CRL",
                  "cannot be read (line 1 is none of a signing policy)"):
        assert any(words in text for text in told), (words, told)


def test_help_and_usage(site: Site) -> None:
    assert "Examples:" in site.run("--help").stdout
    done = subprocess.run([sys.executable, "-m", "ui.check_credentials", "--key", "x"], cwd=ROOT, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 255 and "--key goes with --cert" in done.stderr
