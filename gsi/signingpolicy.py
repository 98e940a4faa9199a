"""Which names a CA may sign: `.signing_policy` files, the EACLs of Globus.

    access_id_CA   X509    '/DC=org/DC=example/CN=Example CA'
    pos_rights     globus  CA:sign
    cond_subjects  globus  '"/DC=org/DC=example/*" "/O=Old Name/*"'

A file has any number of such entries. In a pattern `*` stands for any characters and `?` for one; all else is literal.
This is text in, policy out: gsi.cadirectory reads the files, gsi.verify asks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gsi.errors import SigningPolicyError

#: Largest file that is looked at, bytes: real ones have some hundreds.
MAX_SIZE = 256 * 1024

_LINE = re.compile(
    r"""(?P<token>\S+)\s+(?P<authority>\S+)\s+(?:'(?P<quoted>[^']*)'|(?P<bare>"[^"]*"|[^\s'"]\S*))\s*(?:\#.*)?""")
_PATTERN = re.compile(r'"([^"]*)"|(\S+)')
_ATTRIBUTES = re.compile(r"/(emailAddress|Email|E|USERID|UID)=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A CA, in the slash form, and what the names of those must match that it may sign (`permits`) or not (`denies`).

    issuer: None = the CA that the file belongs to (SELF of a `.namespaces` file).
    """

    issuer: str | None
    permits: tuple[re.Pattern[str], ...]
    denies: tuple[re.Pattern[str], ...] = ()

    def concerns(self, issuer: str, owner: bool) -> bool:
        """Whether it speaks of this CA; owner: the file belongs to that CA."""
        return owner if self.issuer is None else folded(self.issuer) == folded(issuer)


def permitted(entries: tuple[Entry, ...], subject: str) -> bool:
    """Whether the CA of these entries may sign the name (slash form): a denial wins, without a permit it may not."""
    name = folded(subject)
    return (any(pattern.fullmatch(name) for entry in entries for pattern in entry.permits)
            and not any(pattern.fullmatch(name) for entry in entries for pattern in entry.denies))


def parse(octets: bytes) -> tuple[Entry, ...]:
    """Read a `.signing_policy` file. Raises SigningPolicyError, also for a condition that is not understood."""
    entries: list[Entry] = []
    for issuer, lines in _eacls(decoded(octets)):
        signs = False
        patterns: tuple[re.Pattern[str], ...] = ()
        for number, token, authority, value in lines:
            if token == "pos_rights" and authority == "globus" and value == "CA:sign":
                signs = True
            elif token == "cond_subjects" and authority == "globus":
                patterns += _patterns(value)
            elif token != "pos_rights":
                raise SigningPolicyError(f"line {number}: {token} {authority} is not understood")
        if issuer is not None:
            entries.append(Entry(issuer, patterns if signs else ()))
    return tuple(entries)


def folded(dn: str) -> str:
    """A name or pattern in which attributes with several names bear one."""
    return _ATTRIBUTES.sub(lambda match: "/Email=" if match[1][0] in "eE" else "/UID=", dn)


def decoded(octets: bytes) -> str:
    """The text of a policy file. Raises SigningPolicyError."""
    if len(octets) > MAX_SIZE:
        raise SigningPolicyError(f"larger than {MAX_SIZE} bytes")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return octets.decode("latin-1")  # some CAs write their old names so


_Line = tuple[int, str, str, str]


def _eacls(text: str) -> Iterator[tuple[str | None, list[_Line]]]:
    """The CA of each entry (None: not one that is named by X509) with the lines that follow."""
    current: tuple[str | None, list[_Line]] | None = None
    for number, token, authority, value in _lines(text):
        if token.startswith("access_id_"):
            if current is not None:
                yield current
            named = token == "access_id_CA" and authority.upper() == "X509"
            current = (value if named else None, [])
        elif current is None:
            raise SigningPolicyError(f"line {number}: {token} before access_id_CA")
        else:
            current[1].append((number, token, authority, value))
    if current is not None:
        yield current


def _lines(text: str) -> Iterator[_Line]:
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise SigningPolicyError(f"line {number} is none of a signing policy")
        value = found["quoted"] if found["quoted"] is not None else found["bare"]
        token = found["token"]
        yield number, token, found["authority"], value if token == "cond_subjects" else value.strip('"')


def _patterns(value: str) -> tuple[re.Pattern[str], ...]:
    return tuple(_glob(quoted or bare) for quoted, bare in _PATTERN.findall(value) if quoted or bare)


def _glob(pattern: str) -> re.Pattern[str]:
    special = {"*": ".*", "?": "."}
    runs = re.sub(r"\*+", "*", folded(pattern))
    return re.compile("".join(special.get(letter) or re.escape(letter) for letter in runs), re.DOTALL)
