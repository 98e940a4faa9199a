"""What a site admits: the rules that the numbered checks of gsi.verify and the TLS contexts follow.

    rules = Rules.find(os.environ)      # $GLITE_GSI_RULES, else /etc/grid-security/gsi.toml, else the defaults

An example of the file with every key is etc/gsi.toml; what each rule means for an attacker is in docs/security.md.
"""

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Self

from gsi.errors import CredentialError

#: Where a site keeps its rules; the variable GLITE_GSI_RULES names another file.
SYSTEM_FILE = Path("/etc/grid-security/gsi.toml")
_VARIABLE = "GLITE_GSI_RULES"
_LIFETIME_KEY = "max_proxy_lifetime_hours"


class CrlRule(Enum):
    """What a CA without a revocation list means. One that is expired, unreadable or badly signed always refuses."""

    REQUIRE = "require"
    IF_PRESENT = "if-present"


class SigningPolicyRule(Enum):
    """What a CA without a signing policy means. One that is there always binds, one that cannot be read refuses."""

    REQUIRE = "require"
    IF_PRESENT = "if-present"


@dataclass(frozen=True, slots=True)
class Rules:
    """The defaults are what the grid came to agree on, and safe."""

    #: Whether what a CA without a CRL in the directory issued is accepted. Default as Globus has it: a CA that was just
    #: installed works before the first run of fetch-crl.
    crl: CrlRule = CrlRule.IF_PRESENT
    #: Whether a CA may go without `.signing_policy` and `.namespaces`. Every IGTF CA has them; without, any CA can
    #: issue any name. `if-present` excuses the CAs in the directory, never one that the peer brings.
    signing_policy: SigningPolicyRule = SigningPolicyRule.REQUIRE
    #: Proxies of Globus Toolkit 2 (CN=proxy, CN=limited proxy), which some tools still make.
    legacy_proxies: bool = True
    #: Proxies of Globus Toolkit 3 (ProxyCertInfo 1.3.6.1.4.1.3536.1.222).
    draft_proxies: bool = True
    #: SHA-1 under *proxies*, for old tools; SHA-1 under anything else is refused (but a root's own signature).
    sha1_proxies: bool = False
    #: SHA-1 under attribute certificates, for VOMS servers that nobody renews.
    sha1_attributes: bool = False
    #: Shortest RSA key of any certificate of the chain, bits. 1024 is what old tools gave proxies.
    min_rsa_bits: int = 2048
    #: Shortest EC key of any certificate of the chain, bits.
    min_ec_bits: int = 256
    #: Longest time from begin to end of one proxy, None = no limit: what a thief of a proxy has, at most.
    max_proxy_lifetime: timedelta | None = timedelta(days=14)
    #: Most proxies in front of the end entity. GridSite allowed 6 (wms.md 1.12), a job with renewals needs 3 or 4.
    max_proxies: int = 9

    @classmethod
    def find(cls, env: Mapping[str, str] | None = None) -> Self:
        """The rules of this machine. Raises CredentialError when the file that should be read cannot be."""
        env = os.environ if env is None else env
        if named := env.get(_VARIABLE):
            return cls.load(Path(named))
        return cls.load(SYSTEM_FILE) if SYSTEM_FILE.exists() else cls()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file with any of the keys of etc/gsi.toml. Raises CredentialError, for an unknown key too."""
        try:
            return cls(**_values(tomllib.loads(path.read_text("utf-8"))))
        except OSError as error:
            raise CredentialError(f"the rules {path} cannot be read: {error.strerror}") from error
        except ValueError as error:  # TOML, UTF-8 and values alike
            raise CredentialError(f"the rules {path}: {error}") from error


def _values(read: Mapping[str, Any]) -> dict[str, Any]:
    for key in read:
        if key not in _READERS:
            near = difflib.get_close_matches(key, _READERS, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_READERS)}"
            raise ValueError(f"there is no rule {key}; {hint}")
    values = {key: _READERS[key](key, value) for key, value in read.items()}
    if _LIFETIME_KEY in values:
        values["max_proxy_lifetime"] = values.pop(_LIFETIME_KEY)
    return values


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{key} has to be true or false")
    return value


def _rsa_bits(key: str, value: object) -> int:
    return _number(key, value, 1024)


def _ec_bits(key: str, value: object) -> int:
    return _number(key, value, 224)


def _number(key: str, value: object, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{key} has to be a whole number, {least} or more")
    return value


def _lifetime(key: str, value: object) -> timedelta | None:
    hours = _number(key, value)
    try:
        return timedelta(hours=hours) if hours else None
    except OverflowError:
        raise ValueError(f"{key} is too large; 0 means no limit") from None


def _crl(key: str, value: object) -> CrlRule:
    return CrlRule(_choice(key, value))


def _signing_policy(key: str, value: object) -> SigningPolicyRule:
    return SigningPolicyRule(_choice(key, value))


def _choice(key: str, value: object) -> str:
    if value not in ("require", "if-present"):
        raise ValueError(f'{key} has to be "require" or "if-present"')
    return str(value)


#: The keys of the file with what reads their values.
_READERS: dict[str, Callable[[str, object], Any]] = {
    "crl": _crl,
    "signing_policy": _signing_policy,
    "legacy_proxies": _flag,
    "draft_proxies": _flag,
    "sha1_proxies": _flag,
    "sha1_attributes": _flag,
    "min_rsa_bits": _rsa_bits,
    "min_ec_bits": _ec_bits,
    _LIFETIME_KEY: _lifetime,
    "max_proxies": _number,
}
