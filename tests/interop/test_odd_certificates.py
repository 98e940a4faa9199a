"""Certificates that OpenSSL sends and accepts, and that our own reader does not even read: refused with a reason."""

import base64
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import pki
from gsi.credential import key_to_pem, pem, write_secret
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from shared import ROOT
from tlsserver import running, wait_for

pytestmark = pytest.mark.real

_VERSION_3, _VERSION_6 = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"


def hello(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


@pytest.fixture
def proxy_of_no_version(tmp_path: Path) -> Path:
    """A proxy of the test user, well signed, that says it is of version 6."""
    proxy, key = pki.proxy(), pki.user().key
    assert isinstance(key, rsa.RSAPrivateKey)
    signed = proxy.certificate.tbs_certificate_bytes
    changed = signed.replace(_VERSION_3, _VERSION_6, 1)
    signature = key.sign(changed, padding.PKCS1v15(), hashes.SHA256())
    octets = proxy.certificate.public_bytes(serialization.Encoding.DER)
    octets = octets.replace(signed, changed).replace(proxy.certificate.signature, signature)
    text = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(octets) + b"-----END CERTIFICATE-----\n"
    write_secret(tmp_path / "proxy", text + key_to_pem(proxy.key) + b"".join(map(pem, proxy.chain)))
    return tmp_path / "proxy"


def test_the_server_refuses_it_with_a_reason(tmp_path: Path, proxy_of_no_version: Path) -> None:
    log = tmp_path / "log"
    logger, handler = logging.getLogger("httpg.worker"), logging.FileHandler(log)
    logger.addHandler(handler)
    try:
        with running([Listener("127.0.0.1", 0, lambda: HttpProtocol(hello))], pki.host(), pki.ca_dir()) as server:
            answer = subprocess.run(
                ["curl", "--silent", "--show-error", "--capath", pki.ca_dir(), "--cert", proxy_of_no_version, "--key",
                 proxy_of_no_version, "--max-time", "60", server.url()], capture_output=True, text=True)
            assert answer.returncode != 0 and answer.stdout == ""
            wait_for(lambda: "refused: " in log.read_text())
    finally:
        logger.removeHandler(handler)
        handler.close()
    assert "a certificate cannot be read" in log.read_text() and "(check 1)" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_our_tools_say_so(proxy_of_no_version: Path) -> None:
    environment = {**os.environ, "X509_CERT_DIR": str(pki.ca_dir())}
    for command in (["ui.proxy_info", "-file"], ["ui.proxy_init", "-cert"], ["ui.ping", "localhost", "--proxy"]):
        done = subprocess.run([sys.executable, "-m", *command, str(proxy_of_no_version)], cwd=ROOT, env=environment,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "not a PEM certificate" in done.stderr and "Traceback" not in done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "ui.check_credentials", "--proxy", str(proxy_of_no_version), "--json"], cwd=ROOT,
        env=environment, capture_output=True, text=True, check=False)
    assert any(each["area"] == "proxy" and each["state"] == "FAIL" for each in json.loads(done.stdout)["findings"])
