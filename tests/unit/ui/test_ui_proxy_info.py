"""glite-proxy-info: the values of the originals, and what of them is verified."""

import base64
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

import acs
import chains
import pki
import zoo
from gsi.claims import ProxyRights, claims
from gsi.credential import Credential, write_secret
from gsi.errors import GsiError
from gsi.names import slash_dn, slash_dn_of_der
from gsi.proxy import create_proxy
from shared import ROOT
from testbed import ca
from ui import proxy_info
from ui.frame import UiError

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X509_CERT_DIR", str(acs.ca_dir()))
    monkeypatch.setenv("X509_VOMS_DIR", str(acs.vomsdir()))
    monkeypatch.setenv("X509_USER_PROXY", str(tmp_path / "x509up"))
    monkeypatch.chdir(tmp_path)


def saved(credential: Credential) -> Credential:
    """Where the command looks by default."""
    credential.save(Path("x509up"))
    return credential


def info(*options: object) -> Result:
    return CliRunner().invoke(proxy_info.command, [str(option) for option in options], standalone_mode=False)


def values(*options: object) -> list[str]:
    done = info(*options)
    assert done.exception is None, done.exception
    return done.stdout.splitlines()


def fields(text: str) -> dict[str, str]:
    return {name.strip(): value for name, _, value in (line.partition(": ") for line in text.splitlines())}


# ---- all of it ------------------------------------------------------------------------------------------------------


def test_everything_about_a_proxy() -> None:
    proxy = saved(create_proxy(pki.user(), 2 * HOUR, limited=True, path_length=1))
    told = fields(info().stdout)
    assert told["subject"] == slash_dn(proxy.certificate.subject)
    assert told["issuer"] == told["identity"] == pki.USER_DN
    assert told["type"] == "RFC 3820 compliant limited proxy"
    assert told["strength"] == "2048 bits"
    assert told["path"].endswith("/x509up")
    assert told["timeleft"].startswith("1:59:")
    assert (told["limited"], told["pathlen"]) == ("yes", "1")
    assert told["key"] == "RSA 2048, belongs to the certificate"
    assert told["verified"] == ("subject, issuer, identity, type, validity, limited, with the CAs of "
                                f"{acs.ca_dir()}")
    assert "claimed" not in told and "remedy" not in told


def test_what_is_not_verified_is_only_claimed() -> None:
    saved(create_proxy(ca.issue_user(pki.stranger(), pki.USER_DN), HOUR))
    told = fields(info().stdout)
    assert told["identity"] == pki.USER_DN
    assert told["verified"].startswith("nothing: unable to get local issuer certificate")
    assert "not trusted" in told["remedy"]
    assert told["claimed"] == "everything above is only what the file says"


def test_a_proxy_that_has_expired() -> None:
    saved(chains.forge(pki.user(), begin=-2 * HOUR, end=-HOUR))
    done = info()
    told = fields(done.stdout)
    assert done.return_value == 0
    assert told["timeleft"] == "0:00:00"
    assert told["verified"].startswith("nothing: expired") and told["remedy"].startswith("make a new proxy")
    assert values("-timeleft") == ["0"]


@pytest.mark.parametrize(("make", "kind"), [
    (lambda: create_proxy(pki.user()), "RFC 3820 compliant impersonation proxy"),
    (lambda: chains.legacy(pki.user()), "full legacy globus proxy"),
    (lambda: chains.legacy(pki.user(), limited=True), "limited legacy globus proxy"),
    (lambda: chains.draft(pki.user()), "Proxy draft (pre-RFC) compliant impersonation proxy"),
    (lambda: chains.draft(pki.user(), language="1.3.6.1.4.1.3536.1.1.1.9"),
     "Proxy draft (pre-RFC) compliant limited proxy"),
    (lambda: chains.draft(pki.user(), language="1.3.6.1.5.5.7.21.2"),
     "Proxy draft (pre-RFC) compliant independent proxy"),
    (lambda: chains.draft(pki.user(), language="1.2.3"), "Proxy draft (pre-RFC) compliant restricted proxy"),
    (pki.user, "end entity credential"),
])
def test_types_are_called_as_globus_calls_them(make: object, kind: str) -> None:
    assert callable(make)
    saved(make())
    assert values("-type") == [kind]
    assert values("-identity") == [pki.USER_DN]


# ---- single values --------------------------------------------------------------------------------------------------


def test_values_come_in_the_order_of_their_options() -> None:
    proxy = saved(create_proxy(pki.user(), 2 * HOUR, key=ca.ec_key()))
    assert values("-identity", "-strength", "-type") == [
        pki.USER_DN, "256", "RFC 3820 compliant impersonation proxy"]
    assert values("--type", "--identity") == ["RFC 3820 compliant impersonation proxy", pki.USER_DN]
    assert values("-subject", "-issuer", "-rfc2253") == [
        f"CN={proxy.certificate.serial_number},CN=Test User,DC=example,DC=org", "CN=Test User,DC=example,DC=org"]
    seconds, = values("-timeleft")
    assert 7000 < int(seconds) <= 7200
    assert values("-path", "-pathlen") == [str(Path("x509up").absolute()), "any number"]


def test_another_file() -> None:
    create_proxy(pki.other()).save(Path("another"))
    assert values("-file", "another", "-identity") == values("-f", "another", "-identity") == [pki.OTHER_DN]


def test_a_single_value_that_is_only_claimed_comes_with_a_warning() -> None:
    saved(create_proxy(ca.issue_user(pki.stranger(), pki.USER_DN), HOUR))
    done = info("-identity")
    assert done.stdout == f"{pki.USER_DN}\n"
    assert "not verified, only what the file claims: unable to get local issuer" in done.stderr
    assert info("-timeleft").stderr == ""


# ---- VO attributes --------------------------------------------------------------------------------------------------


def test_attributes_that_are_believed() -> None:
    saved(acs.proxy(acs.ac(fqans=("/testvo", "/testvo/Role=prod"))))
    assert values("-vo", "-fqan") == [
        "testvo", "/testvo/Role=NULL/Capability=NULL", "/testvo/Role=prod/Capability=NULL"]
    assert values("-uri") == [f"{acs.server().host}:{acs.server().port}"]
    assert values("-acissuer") == [slash_dn(acs.server().credential.certificate.subject)]
    assert info("-acexists", "testvo").return_value == 0
    assert info("-acexists", "othervo").return_value == 1
    text = info().stdout
    assert "=== VO testvo extension information ===" in text
    assert text.count("attribute : ") == 2
    assert "believed  : yes, verified" in text and "verified  : the attributes of testvo" in text


def test_attributes_that_are_not_believed() -> None:
    saved(acs.proxy(acs.ac(holder=pki.other().certificate)))
    done = info("-fqan")
    assert done.stdout == "/testvo/Role=NULL/Capability=NULL\n", "as the file claims"
    assert "the attributes of testvo count for nothing: it was given to" in done.stderr
    text = info().stdout
    assert "believed  : no: it was given to" in text
    assert "claimed   : the attributes of testvo: they count for nothing here" in text
    told = json.loads(info("--json").stdout)
    assert told["verified"] is True
    assert [(vo["vo"], vo["verified"]) for vo in told["vos"]] == [("testvo", False)]
    assert "it was given to" in told["vos"][0]["reason"]


def test_attributes_in_a_proxy_that_is_not_verified() -> None:
    stranger = ca.issue_user(pki.stranger(), pki.USER_DN)
    saved(acs.proxy(acs.ac(), issuer=stranger))
    assert "believed  : no: the proxy is not verified" in info().stdout
    assert json.loads(info("--json").stdout)["vos"][0]["fqans"] == ["/testvo"]


def test_attributes_that_cannot_be_read() -> None:
    saved(acs.raw_proxy(b"garbage"))
    assert "believed  : no: it cannot be read" in info().stdout


def test_no_attributes() -> None:
    saved(create_proxy(pki.user()))
    assert info("-fqan").return_value == 1
    assert info("-vo").stdout == ""


# ---- yes or no ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "code"), [
    (["-exists"], 0), (["-e"], 0), (["-exists", "-valid", "1:30"], 0), (["-exists", "-valid", "3:00"], 1),
    (["-exists", "-hours", "1"], 0), (["-exists", "-hours", "3"], 1), (["-exists", "-bits", "2048"], 0),
    (["-exists", "-bits", "4096"], 1), (["-exists", "-valid", "1:00", "-bits", "2048"], 0), (["-e", "-v", "1:00"], 0),
])
def test_exists(options: list[str], code: int) -> None:
    saved(create_proxy(pki.user(), 2 * HOUR))
    done = info(*options)
    assert (done.return_value, done.output) == (code, "")


def test_exists_without_a_usable_proxy() -> None:
    saved(chains.forge(pki.user(), begin=-2 * HOUR, end=-HOUR))
    assert info("-exists").return_value == 1
    saved(chains.forge(pki.user(), begin=HOUR, end=2 * HOUR))
    assert info("-exists").return_value == 1
    proxy = create_proxy(pki.user())
    Path("x509up").write_bytes(proxy.chain_pem())
    assert info("-exists").return_value == 1, "there is no key in it"
    Path("x509up").write_bytes(Credential(proxy.certificate, ca.ec_key(), proxy.chain).to_pem())
    assert info("-exists").return_value == 1, "the key is another one"


# ---- as a program ---------------------------------------------------------------------------------------------------


def program(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ui.proxy_info", *options], cwd=ROOT, capture_output=True, text=True,
                          check=False)


@pytest.mark.parametrize(("content", "words"), [
    (None, "No such file or directory; make a proxy with glite-proxy-init"),
    (b"nonsense", "not a PEM certificate: there is none in it; make a proxy"), (b"", "not a PEM certificate"),
])
def test_no_proxy(content: bytes | None, words: str) -> None:
    if content is not None:
        Path("x509up").write_bytes(content)
    for options in ((), ("-exists",), ("-identity",), ("--json",)):
        done = program(*options)
        assert done.returncode == 1
        assert words in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


@pytest.mark.parametrize("name", ["RFC ProxyCertInfo is garbage", "RFC ProxyCertInfo twice"])
def test_a_proxy_that_cannot_be_read(name: str) -> None:
    zoo.REFUSED[name].make().save(Path("x509up"))
    for options in ((), ("-exists",), ("-identity",), ("--json",)):
        done = program(*options)
        assert done.returncode == 1
        assert "a certificate cannot be read" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("options", "words"), [
    (["-serial"], "No such option '-serial'"), (["-strenght"], "-strength"),
    (["-valid", "1:00"], "go with -exists"), (["-bits", "1"], "go with -exists"),
    (["-exists", "-valid", "x"], "write hours and minutes"), (["-exists", "-valid", "1:00", "-hours", "1"], "not both"),
])
def test_wrong_usage(options: list[str], words: str) -> None:
    done = program(*options)
    assert done.returncode == 255 and words in done.stderr


def test_a_file_that_others_can_read_is_said() -> None:
    saved(create_proxy(pki.user()))
    Path("x509up").chmod(0o644)
    assert "others can read the key; do: chmod 600" in info().stdout
    assert json.loads(info("--json").stdout)["private"] is False


def test_help_has_examples() -> None:
    done = program("-help")
    assert done.returncode == 0 and "glite-proxy-info -exists -valid 2:00 || glite-proxy-init" in done.stdout


# ---- what a chain claims --------------------------------------------------------------------------------------------


def test_limited_anywhere_is_limited() -> None:
    chain = create_proxy(create_proxy(pki.user(), limited=True), HOUR)
    told = claims((chain.certificate, *chain.chain))
    assert told.limited and told.rights is ProxyRights.LIMITED and told.proxies == 2


@pytest.mark.parametrize("credential", [pki.user, pki.host, pki.stranger])
def test_names_in_der_read_as_those_of_certificates(credential: object) -> None:
    assert callable(credential)
    subject = credential().certificate.subject
    assert slash_dn_of_der(subject.public_bytes()) == slash_dn(subject)


@pytest.mark.parametrize("octets", [b"", b"garbage", b"\x30\x03\x02\x01\x05", b"\x30\x05\x31\x03\x30\x01\x00"])
def test_what_is_no_name_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        slash_dn_of_der(octets)


# ---- any bytes ------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(places=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_proxy_gives_a_verdict_or_a_clear_error(places: list[tuple[int, int]]) -> None:
    proxy = acs.proxy(acs.ac())
    octets = bytearray(proxy.certificate.public_bytes(serialization.Encoding.DER))
    for place, value in places:
        octets[place % len(octets)] = value
    text = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(octets) + b"-----END CERTIFICATE-----\n"
    path = pki.folder() / "damaged"
    path.unlink(missing_ok=True)
    write_secret(path, text + proxy.to_pem().split(b"-----END CERTIFICATE-----\n", 1)[1])
    done = CliRunner().invoke(proxy_info.command, ["-file", str(path), "-certdir", str(acs.ca_dir()), "--json"],
                              standalone_mode=False)
    assert done.exception is None or isinstance(done.exception, (UiError, GsiError)), done.exception
    assert done.exception is not None or octets == proxy.certificate.public_bytes(
        serialization.Encoding.DER) or json.loads(done.stdout)["verified"] is False


@given(octets=st.binary(max_size=80))
def test_any_bytes_are_a_name_or_refused(octets: bytes) -> None:
    try:
        assert slash_dn_of_der(octets).isprintable()
    except ValueError:
        pass
