"""glite-proxy-init: what it makes, what it refuses, and that it keeps secrets."""

import json
import os
import pty
import select
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

import pki
from gsi.claims import ProxyRights, claims
from gsi.credential import Credential, write_secret
from gsi.peer import ProxyKind
from gsi.proxy import create_proxy
from testbed import ca
from ui import proxy_init

SECRET = b"correct horse"
TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has usercert.pem and userkey.pem where Globus looks for them."""
    globus = tmp_path / ".globus"
    globus.mkdir()
    ca.save_pair(pki.user(), globus / "usercert.pem", globus / "userkey.pem")
    for name in ("X509_USER_CERT", "X509_USER_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("X509_USER_PROXY", str(tmp_path / "x509up"))
    monkeypatch.setenv("X509_CERT_DIR", str(pki.ca_dir()))
    return tmp_path


def program(*options: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command as a user does, without a terminal."""
    return subprocess.run([sys.executable, "-m", "ui.proxy_init", *map(str, options)], input=stdin, cwd=TESTS.parent,
                          capture_output=True, check=False, start_new_session=True)


def made(path: Path) -> Credential:
    """The proxy, which has to be private."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return Credential.load(path)


def encrypt(path: Path, credential: Credential, form: serialization.PrivateFormat) -> None:
    octets = credential.key.private_bytes(
        serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(SECRET))
    path.unlink(missing_ok=True)
    write_secret(path, octets)


def test_by_default_an_rfc_proxy_of_twelve_hours(home: Path) -> None:
    done = program()
    assert done.returncode == 0, done.stderr
    proxy = made(home / "x509up")
    told = claims((proxy.certificate, *proxy.chain))
    assert (told.kind, told.rights, told.key) == (ProxyKind.RFC3820, ProxyRights.FULL, "RSA 2048")
    assert told.path_length is None
    left = proxy.not_after - datetime.now(UTC)
    assert timedelta(hours=11, minutes=30) < left <= timedelta(hours=12)
    assert proxy.dn == pki.USER_DN
    assert f"Your identity: {pki.USER_DN}".encode() in done.stdout
    assert b"Your proxy is valid until: " in done.stdout
    assert done.stderr == b""
    assert [path.name for path in home.iterdir()] != []
    assert not [path for path in home.iterdir() if path.name.startswith(".x509up")], "nothing half written stays"


@pytest.mark.parametrize("dash", ["-", "--"])
def test_options_with_one_dash_and_with_two(home: Path, dash: str) -> None:
    out = home / "other"
    done = program(f"{dash}cert", home / ".globus/usercert.pem", f"{dash}key", home / ".globus/userkey.pem",
                   f"{dash}out", out, f"{dash}valid", "2:30", f"{dash}limited", f"{dash}pathlen", 3, f"{dash}rfc",
                   f"{dash}key-type", "ec", f"{dash}bits", 384, f"{dash}verify", f"{dash}quiet",
                   f"{dash}certdir", pki.ca_dir())
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    told = claims((made(out).certificate, *made(out).chain))
    assert (told.rights, told.path_length, told.key) == (ProxyRights.LIMITED, 3, "EC 384")
    assert told.not_after <= datetime.now(UTC) + timedelta(hours=2, minutes=30)


def test_hours_and_json(home: Path) -> None:
    told = json.loads(program("-hours", 3, "--path-length", 0, "--json").stdout)
    proxy = made(home / "x509up")
    assert told == {"path": str(home / "x509up"), "identity": pki.USER_DN, "limited": False, "key": "RSA 2048",
                    "path_length": 0, "not_after": proxy.not_after.isoformat(), "verified": False}


def test_a_further_level_of_the_proxy_that_there_is(home: Path) -> None:
    assert program("-limited").returncode == 0
    assert program("--from-proxy", "-out", home / "second").returncode == 0
    second = made(home / "second")
    assert second.proxies == 2
    assert claims((second.certificate, *second.chain)).rights is ProxyRights.LIMITED, "limited stays limited"
    assert program("-cert", home / "second", "-out", home / "third").returncode == 0
    assert made(home / "third").proxies == 3


def test_the_last_level_of_a_path_length_says_so(home: Path) -> None:
    assert program("-pathlen", 0).returncode == 0
    before = (home / "x509up").read_bytes()
    done = program("-noregen")
    assert done.returncode == 1
    assert b"no further proxy can be made of this one: its path length is 0" in done.stderr
    assert (home / "x509up").read_bytes() == before


@pytest.mark.parametrize("form", [serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8])
def test_an_encrypted_key_and_its_pass_phrase_from_standard_input(
    home: Path, form: serialization.PrivateFormat
) -> None:
    encrypt(home / ".globus/userkey.pem", pki.user(), form)
    assert program("-pwstdin", stdin=SECRET + b"\n").returncode == 0
    assert made(home / "x509up").dn == pki.USER_DN
    done = program("-pwstdin", "-out", home / "none", stdin=b"wrong\n")
    assert done.returncode == 1
    assert b"wrong pass phrase" in done.stderr and b"Traceback" not in done.stderr
    assert not (home / "none").exists()


@pytest.mark.parametrize("name", ["usercred.p12", "usercert.p12"])
def test_pkcs12(home: Path, name: str) -> None:
    below = ca.new_authority("/DC=org/DC=example/CN=Intermediate CA", parent=pki.authority(), key=ca.ec_key())
    user = ca.issue_user(below, pki.USER_DN)
    for path in (home / ".globus").iterdir():
        path.unlink()
    write_secret(home / ".globus" / name, pkcs12.serialize_key_and_certificates(
        b"me", user.key, user.certificate, [pki.authority().certificate, below.certificate],
        serialization.BestAvailableEncryption(SECRET)))
    known = ca.write_ca_directory(home / "certificates", [pki.authority(), below])
    done = program("-pwstdin", "-verify", "-certdir", known, stdin=SECRET + b"\n")
    assert done.returncode == 0, done.stderr
    assert made(home / "x509up").chain == (user.certificate, below.certificate)
    for wrong in (b"wrong", b"gr\xfcn", b"a\0b"):
        done = program("-pwstdin", stdin=wrong + b"\n")
        assert done.returncode == 1 and b"wrong pass phrase, or no PKCS#12 file" in done.stderr


def test_the_pass_phrase_is_asked_for_on_the_terminal_and_not_echoed(home: Path) -> None:
    encrypt(home / ".globus/userkey.pem", pki.user(), serialization.PrivateFormat.PKCS8)
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(TESTS.parent)
        os.execv(sys.executable, [sys.executable, "-m", "ui.proxy_init"])
    shown = b""
    while b"userkey.pem: " not in shown:
        shown += os.read(terminal, 1024)
    assert b"Pass phrase of " in shown
    os.write(terminal, SECRET + b"\n")
    waiting = select.poll()  # the descriptor may be beyond what select() can look at
    waiting.register(terminal, select.POLLIN)
    while waiting.poll(60_000):
        try:
            shown += os.read(terminal, 1024)
        except OSError:  # the terminal of a process that has ended
            break
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, shown
    assert SECRET not in shown
    assert b"Your proxy is valid until: " in shown
    assert made(home / "x509up").dn == pki.USER_DN


def test_without_a_terminal_it_says_how_to_give_the_pass_phrase(home: Path) -> None:
    encrypt(home / ".globus/userkey.pem", pki.user(), serialization.PrivateFormat.PKCS8)
    done = program()
    assert done.returncode == 1
    assert b"there is no terminal to ask for its pass phrase; give it on standard input with -pwstdin" in done.stderr


def test_a_key_that_others_can_read_is_refused(home: Path) -> None:
    key = home / ".globus/userkey.pem"
    key.chmod(0o644)
    done = program()
    assert done.returncode == 1
    assert f"others can read the key in {key} (mode 0644); do: chmod 600 {key}".encode() in done.stderr
    assert not (home / "x509up").exists()


def test_a_warning_when_the_certificate_ends_first(home: Path) -> None:
    user = ca.issue_user(pki.authority(), pki.USER_DN, lifetime=timedelta(hours=2))
    for path in (home / ".globus").iterdir():
        path.unlink()
    ca.save_pair(user, home / ".globus/usercert.pem", home / ".globus/userkey.pem")
    done = program()
    assert done.returncode == 0
    assert b"Warning - the certificate above ends at" in done.stderr and b"renew the certificate" in done.stderr
    assert made(home / "x509up").not_after == user.not_after
    done = program("--from-proxy", "-out", home / "second")
    assert b"renew the certificate" in done.stderr


def test_a_warning_when_the_proxy_above_ends_first(home: Path) -> None:
    create_proxy(pki.user(), timedelta(hours=1)).save(home / "x509up")
    assert b"renew the proxy" in program("-noregen", "-out", home / "second").stderr


def test_verify_refuses_what_services_would_refuse(home: Path) -> None:
    stranger = ca.issue_user(pki.stranger(), pki.USER_DN)
    for path in (home / ".globus").iterdir():
        path.unlink()
    ca.save_pair(stranger, home / ".globus/usercert.pem", home / ".globus/userkey.pem")
    done = program("-verify")
    assert done.returncode == 1
    assert b"Services would refuse this proxy" in done.stderr and b"is not trusted there: use a cert" in done.stderr
    assert not (home / "x509up").exists()
    assert program().returncode == 0


@pytest.mark.parametrize(("options", "text"), [
    (["-old"], "legacy proxies are no longer made"),
    (["-draft"], "draft proxies are no longer made"),
    (["-independent"], "no service takes it"),
    (["-voms", "vo.example"], "voms-proxy-init asks it"),
    (["-proxyver", "2"], "only version 4"),
    (["-bits", "1024"], "RSA keys are made with 2048, 3072, 4096 bits"),
    (["-bits", "2048", "--key-type", "ec"], "EC keys are made with 256, 384 bits"),
    (["-valid", "12"], "write hours and minutes, for instance 12:00"),
    (["-valid", "0:00"], "needs some time"),
    (["-valid", "1:00", "-hours", "1"], "not both"),
    (["-pathlen", "-1"], "-1 is not in the range"),
    (["--from-proxy", "-cert", "x"], "does not go with -cert"),
])
def test_wrong_usage(home: Path, options: list[str], text: str) -> None:
    done = program(*options)
    assert done.returncode == 255
    assert text in done.stderr.decode()
    assert not (home / "x509up").exists()


@pytest.mark.parametrize(("prepare", "text"), [
    (lambda home: (home / ".globus/usercert.pem").unlink(), "there is no certificate in"),
    (lambda home: (home / ".globus/userkey.pem").unlink(), "userkey.pem cannot be read: No such file"),
    (lambda home: (home / ".globus/usercert.pem").write_text("nonsense"), "not a PEM certificate"),
    (lambda home: (home / ".globus/usercert.pem").write_bytes(pki.other().chain_pem()), "does not belong to"),
])
def test_a_clear_word_about_what_is_missing(home: Path, prepare: object, text: str) -> None:
    assert callable(prepare)
    prepare(home)
    done = program()
    assert done.returncode == 1
    assert text in done.stderr.decode() and "Traceback" not in done.stderr.decode()


def test_a_link_in_the_way_is_not_followed(home: Path) -> None:
    """In /tmp others can make one that leads to a file of the user's."""
    (home / "victim").write_text("mine")
    (home / "x509up").symlink_to(home / "victim")
    assert program().returncode == 0
    assert (home / "victim").read_text() == "mine" and not (home / "x509up").is_symlink()
    assert made(home / "x509up").dn == pki.USER_DN


def test_debug_and_version_with_one_dash(home: Path) -> None:
    assert program("-debug", "-q").returncode == 0
    assert program("-version").stdout.startswith(b"glite-py")


def test_a_place_that_cannot_be_written(home: Path) -> None:
    done = program("-out", home / "no" / "such")
    assert done.returncode == 1 and b"cannot be written: No such file or directory" in done.stderr


def test_help_has_examples() -> None:
    shown = CliRunner().invoke(proxy_init.command, ["-help"]).output
    assert "Examples:" in shown and "glite-proxy-init -valid 24:00 -limited" in shown
