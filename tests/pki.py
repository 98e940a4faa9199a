"""One throwaway grid of certificates for a test run: making keys takes time, so each thing is made once.

    pki.ca_dir(), pki.host(), pki.user(), pki.proxy()
"""

import tempfile
from datetime import timedelta
from functools import cache
from pathlib import Path

from gsi.credential import Credential
from gsi.proxy import create_proxy
from gsi.rules import Rules
from gsi.trust import Trust
from testbed import ca

USER_DN = "/DC=org/DC=example/CN=Test User"
OTHER_DN = "/DC=org/DC=example/CN=Other User"


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="pki-")  # removed when the interpreter ends


def folder() -> Path:
    """A directory for the files of this run."""
    return Path(_folder().name)


@cache
def authority() -> ca.Authority:
    """The CA that everybody trusts."""
    return ca.new_authority()


@cache
def stranger() -> ca.Authority:
    """A CA that nobody trusts."""
    return ca.new_authority("/DC=org/DC=elsewhere/CN=Unknown CA")


@cache
def ca_dir() -> Path:
    """The directory of trusted CAs."""
    return ca.write_ca_directory(folder() / "certificates", [authority()])


@cache
def trust() -> Trust:
    """Belief in what is in that directory, by the default rules."""
    return Trust(ca_dir(), Rules())


@cache
def host() -> Credential:
    """The host credential of localhost and 127.0.0.1."""
    return ca.issue_host(authority(), "localhost", "127.0.0.1")


@cache
def user() -> Credential:
    """The end entity credential of USER_DN."""
    return ca.issue_user(authority(), USER_DN)


@cache
def other() -> Credential:
    """The end entity credential of OTHER_DN."""
    return ca.issue_user(authority(), OTHER_DN)


@cache
def proxy() -> Credential:
    """An RFC 3820 proxy of USER_DN."""
    return create_proxy(user(), timedelta(hours=12))


@cache
def proxy_file() -> Path:
    """The same in a file, as commands want it."""
    path = folder() / "x509up"
    proxy().save(path)
    return path


@cache
def user_files() -> tuple[Path, Path]:
    """Certificate and key of USER_DN in two files."""
    paths = folder() / "usercert.pem", folder() / "userkey.pem"
    ca.save_pair(user(), *paths)
    return paths
