"""Which servers speak for which VO, as the site says: the directory /etc/grid-security/vomsdir ($X509_VOMS_DIR).

    <vomsdir>/<vo>/<host>.lsc   the names of the server's certificate and of what stands above it
    <vomsdir>/<vo>/*.pem        certificates of servers of that VO
    <vomsdir>/*.pem             certificates of servers that speak for any VO: the way of 2005, still read

An LSC file has two lines for each certificate of the chain, subject and issuer, the server's first. Several chains
are separated by a line `------ NEXT CHAIN ------`; names may stand in double quotes; lines that begin with # are passed
over. Files are read again when they change.
"""

import os
import re
import stat
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from cryptography import x509

from gsi.credential import read_certificates
from gsi.errors import CredentialError
from gsi.names import same_dn, slash_dn

#: Names of subject and issuer of one certificate, slash form.
Link = tuple[str, str]
Chain = tuple[Link, ...]

#: Largest file that is read, bytes.
MAX_SIZE = 64 * 1024
_SEPARATOR = re.compile(r"-+\s*NEXT CHAIN\s*-+")
#: Certificates whose names are remembered.
_KNOWN = 256
#: What OpenSSL before 0.9.7 wrote for UID.
_OLD_UID = "/USERID="
T = TypeVar("T")


class Vomsdir:
    """The directory as it is now; one that does not exist names no server. For any number of threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._chains: _Files[tuple[Chain, ...]] = _Files(lambda octets: parse_lsc(octets.decode("utf-8")))
        self._certificates: _Files[tuple[x509.Certificate, ...]] = _Files(lambda octets: tuple(
            read_certificates(octets)))

    def chains(self, vo: str, host: str) -> tuple[Chain, ...] | None:
        """What the LSC file of a server says; None when there is none. Raises CredentialError."""
        return self._chains.read(self.root / _component(vo) / f"{_component(host)}.lsc")

    def certificates(self, vo: str) -> list[x509.Certificate]:
        """The certificates of servers that may speak for the VO. Raises CredentialError."""
        found: list[x509.Certificate] = []
        for directory in (self.root / _component(vo), self.root):
            for path in _pem_files(directory):
                found += self._certificates.read(path) or ()
        return found


def parse_lsc(text: str) -> tuple[Chain, ...]:
    """The chains of an LSC file. Raises ValueError."""
    chains: list[list[str]] = [[]]
    for line in map(str.strip, text.splitlines()):
        if _SEPARATOR.fullmatch(line):
            chains.append([])
        elif line and not line.startswith("#"):
            chains[-1].append(_name(line))
    if any(len(names) % 2 for names in chains):
        raise ValueError("subject and issuer have to stand in turn, two lines for each certificate")
    return tuple(tuple(zip(names[::2], names[1::2], strict=True)) for names in chains if names)


def matches(chain: Chain, certificates: Sequence[x509.Certificate]) -> bool:
    """Whether verified certificates, the server's first, are the chain that an LSC file names.

    Each pair of the file has to be there; what stands above the last one is up to the CA directory.
    """
    return 0 < len(chain) <= len(certificates) and all(
        all(map(same_dn, _link(certificate), link)) for certificate, link in zip(certificates, chain, strict=False)
    )


@lru_cache(_KNOWN)
def _link(certificate: x509.Certificate) -> Link:
    return slash_dn(certificate.subject), slash_dn(certificate.issuer)


class _Files(Generic[T]):
    """Contents of files, read when they are first asked for and when the file has changed since."""

    def __init__(self, parse: Callable[[bytes], T]) -> None:
        self._parse = parse
        self._read: dict[Path, tuple[tuple[int, ...], T]] = {}

    def read(self, path: Path) -> T | None:
        """None when there is no such file. Raises CredentialError."""
        try:
            found = os.stat(path)
            if not stat.S_ISREG(found.st_mode):
                raise ValueError("not a regular file")
            version = (found.st_mtime_ns, found.st_size, found.st_ino)
            kept = self._read.get(path)
            if kept is None or kept[0] != version:
                with open(path, "rb") as file:
                    octets = file.read(MAX_SIZE + 1)
                if len(octets) > MAX_SIZE:
                    raise ValueError(f"larger than {MAX_SIZE // 1024} KiB")
                kept = self._read[path] = version, self._parse(octets)
        except (FileNotFoundError, NotADirectoryError):
            self._read.pop(path, None)
            return None
        except OSError as error:
            raise CredentialError(f"{_short(path)} cannot be read: {error.strerror}") from error
        except (ValueError, CredentialError) as error:
            raise CredentialError(f"{_short(path)}: {error}") from error
        return kept[1]


def _pem_files(directory: Path) -> list[Path]:
    try:
        return sorted(directory / name for name in os.listdir(directory) if name.endswith(".pem"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CredentialError(f"{_short(directory)} cannot be read: {error.strerror}") from error


def _short(path: Path) -> str:
    """For reasons that leave the machine: not where it lies."""
    return "/".join(path.parts[-2:])


def _name(line: str) -> str:
    name = line[1:-1] if len(line) > 1 and line[0] == line[-1] == '"' else line
    if not name.startswith("/"):
        raise ValueError(f"not a distinguished name: {line[:100]!r}")
    return name.replace(_OLD_UID, "/UID=")


def _component(name: str) -> str:
    """A VO or host as part of a path; gsi.voms.certificate admits no other, but a path is worth a second look."""
    if "/" in name or "\0" in name or name.startswith("."):
        raise CredentialError(f"not the name of a VO or host: {name!r}")
    return name
