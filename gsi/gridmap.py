"""Grid-mapfiles, which say under which local accounts somebody works, and the identity mapping of LB.

    "/DC=org/DC=example/CN=Jo Doe" jdoe,grid01      DN: default account, further ones
    /O=Grid/CN=host                 daemon          bare, when there is no blank in it
    "/atlas/Role=production/*"      .prod           VO attribute: an account of the pool `prod`

The quoting is in `gsi.namelines`. As with Globus the first line of a DN counts, and a line that cannot be read does
not take others with it: it maps nobody, so leaving it out gives nobody more than he has.

Two things are stricter here. Globus compares names without regard to case, and takes `/E=` and `/UID=` for
`/emailAddress=` and `/USERID=`; here names are compared as everywhere (`gsi.names.same_dn`), and a line with `/E=`,
which is how no name is shown to us, is reported. And Globus takes words after the accounts for further accounts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gsi.errors import RulesError
from gsi.fqan import FqanPattern
from gsi.namelines import Problem, first_name, is_fqan, lines, reported
from gsi.names import folded
from gsi.peer import Peer
from gsi.peers import admitted
from gsi.watched import Watched

#: A user name, or the prefix of a pool after a dot; the latter also becomes part of file names in gridmapdir.
_ACCOUNT: Final = re.compile(rb"\.?[A-Za-z0-9_][A-Za-z0-9_.-]*")
_UNUSUAL: Final = re.compile("/(?:E|USERID)=")


@dataclass(frozen=True, slots=True)
class Mapping:
    """One line. name: DN or pattern of FQANs; accounts: the default one first, a pool begins with a dot."""

    name: str
    accounts: tuple[str, ...]


@dataclass(frozen=True)
class GridMap:
    """A grid-mapfile: its good lines in order, and the problems of the others."""

    mappings: tuple[Mapping, ...] = ()
    problems: tuple[Problem, ...] = ()
    _by_dn: dict[str, Mapping] = field(init=False, repr=False, compare=False)
    _by_fqan: tuple[tuple[FqanPattern, Mapping], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        people = [mapping for mapping in self.mappings if not is_fqan(mapping.name)]
        roles = [mapping for mapping in self.mappings if is_fqan(mapping.name)]
        object.__setattr__(self, "_by_dn", {folded(mapping.name): mapping for mapping in reversed(people)})
        object.__setattr__(self, "_by_fqan", tuple((FqanPattern(role.name), role) for role in roles))

    @classmethod
    def parse(cls, data: bytes) -> "GridMap":
        """Read a file; any bytes will do."""
        mappings, problems, seen = [], [], dict[str, int]()
        for number, line in lines(data):
            try:
                mapping = _mapping(line)
            except RulesError as error:
                problems.append(Problem(number, str(error)))
                continue
            mappings.append(mapping)
            problems += [Problem(number, text) for text in _doubts(mapping.name, seen.get(folded(mapping.name)))]
            seen.setdefault(folded(mapping.name), number)
        return cls(tuple(mappings), tuple(problems))

    def accounts(self, peer: Peer) -> tuple[str, ...]:
        """The accounts of a peer, none when he has no line.

        A line for his DN comes before any for his attributes; of these, the order of his own attributes decides, then
        that of the lines.
        """
        mine = self._by_dn.get(folded(peer.dn))
        if mine is not None:
            return mine.accounts
        for fqan in peer.fqans:
            for pattern, mapping in self._by_fqan:
                if admitted(pattern, [fqan]):
                    return mapping.accounts
        return ()


def _mapping(line: bytes) -> Mapping:
    name, rest = first_name(line)
    words = rest.split(b"#", 1)[0].split()
    if not words:
        raise RulesError("no account follows the name")
    if len(words) > 1:
        raise RulesError("accounts are separated by commas, without blanks")
    accounts = [account for account in words[0].split(b",") if account]
    if not accounts or not all(map(_ACCOUNT.fullmatch, accounts)):
        raise RulesError("an account is made of letters, digits, dots, hyphens and underscores")
    return Mapping(name, tuple(account.decode("ascii") for account in accounts))


def _doubts(name: str, earlier: int | None) -> Iterator[str]:
    if earlier is not None:
        yield f"the same name is in line {earlier}, which counts"
    if not is_fqan(name) and _UNUSUAL.search(name):
        yield "names are shown with /emailAddress= and /UID=: this line will match nobody"


@dataclass(frozen=True)
class Identities:
    """Pairs of DNs that are one person: option -M of the LB server (lb.md 11.2), who owns the jobs of both."""

    pairs: tuple[tuple[str, str], ...] = ()
    problems: tuple[Problem, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> "Identities":
        """Read lines of two quoted or bare DNs; any bytes will do, and a bad line joins nobody."""
        pairs, problems = [], []
        for number, line in lines(data):
            try:
                pairs.append(_pair(line))
            except RulesError as error:
                problems.append(Problem(number, str(error)))
        return cls(tuple(pairs), tuple(problems))

    def of(self, dn: str) -> tuple[str, ...]:
        """The DN itself and the others that stand in one line with it; not what stands in one line with those."""
        key = folded(dn)
        others = [b for a, b in self.pairs if folded(a) == key] + [a for a, b in self.pairs if folded(b) == key]
        return tuple(dict.fromkeys((dn, *others)))


def _pair(line: bytes) -> tuple[str, str]:
    first, rest = first_name(line)
    if not rest or rest.startswith(b"#"):
        raise RulesError("a second name is missing")
    second, rest = first_name(rest)
    if rest and not rest.startswith(b"#"):
        raise RulesError("two names make a line; quote names that have blanks in them")
    if is_fqan(first) or is_fqan(second):
        raise RulesError("both names have to be DNs")
    return first, second


def watch_gridmap(path: Path) -> Watched[GridMap]:
    """A grid-mapfile that is read again when it changes; unreadable, it maps nobody. Raises RulesError."""
    return Watched(path, lambda data: reported(path, GridMap.parse(data)), "the grid-mapfile", meanwhile=GridMap())


def watch_identities(path: Path) -> Watched[Identities]:
    """The mapping of option -M, read again when it changes; unreadable, it joins nobody. Raises RulesError."""
    def read(data: bytes) -> Identities:
        return reported(path, Identities.parse(data))

    return Watched(path, read, "the mapping of identities", meanwhile=Identities())

