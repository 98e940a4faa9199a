"""Lists of peers: who is trusted, who administers, who may use a service. One name a line.

    # the LB server, and whoever operates for the VO
    /DC=org/DC=example/CN=lb.example.org
    "/DC=org/DC=example/CN=Jo \\"JD\\" Doe"         # quoted, with the escapes of grid-mapfiles
    /vo/Role=operator
    "/vo/*"

A DN means that person or host, compared with `gsi.names.same_dn`. An FQAN means everybody who has shown it, verified,
in whatever place among his attributes; `*` as in `gsi.fqan.FqanPattern`. The files of JP (jp.md 2.2) are such lists.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gsi.errors import FqanError, RulesError
from gsi.fqan import FqanPattern
from gsi.namelines import Problem, checked, is_fqan, lines, reported, whole_name
from gsi.names import folded
from gsi.peer import Peer
from gsi.watched import Watched


@dataclass(frozen=True)
class Names:
    """DNs and patterns of FQANs. texts: as they were given, in order; problems: of lines that name nobody."""

    texts: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    _dns: frozenset[str] = field(init=False, repr=False, compare=False)
    _patterns: tuple[FqanPattern, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        dns = frozenset(folded(text) for text in self.texts if not is_fqan(text))
        object.__setattr__(self, "_dns", dns)
        patterns = tuple(FqanPattern(text) for text in self.texts if is_fqan(text))
        object.__setattr__(self, "_patterns", patterns)

    @classmethod
    def parse(cls, data: bytes) -> "Names":
        """Read a list. A bad line names nobody; it is among the problems and takes no other line with it."""
        texts, problems = [], []
        for number, line in lines(data):
            try:
                texts.append(whole_name(line))
            except RulesError as error:
                problems.append(Problem(number, str(error)))
        return cls(tuple(texts), tuple(problems))

    def has(self, peer: Peer) -> bool:
        """Whether the peer is meant, by his DN or by any verified FQAN of his."""
        return self.has_dn(peer.dn) or any(admitted(pattern, peer.fqans) for pattern in self._patterns)

    def has_dn(self, dn: str) -> bool:
        """Whether the DN is on the list."""
        return folded(dn) in self._dns


def admitted(pattern: FqanPattern, fqans: Iterable[str]) -> bool:
    """Whether the pattern admits one of the names; what is no FQAN is admitted by nothing."""
    return any(_admits(pattern, fqan) for fqan in fqans)


def _admits(pattern: FqanPattern, fqan: str) -> bool:
    try:
        return pattern.admits(fqan)
    except FqanError:
        return False


_NOBODY: Final = Names()


class PeerList:
    """A list in a file, and further members. The file is read again when it changes; unreadable, it names nobody."""

    def __init__(self, path: Path | None = None, names: Iterable[str] = ()) -> None:
        """path: the file, which has to be there now; names: further DNs and FQANs. Raises RulesError."""
        self._fixed = Names(tuple(checked(name) for name in names))
        self._file = None if path is None else _watch(path)

    def __contains__(self, who: object) -> bool:
        """Whether a Peer is on the list, by DN or verified FQAN; a text is taken for a DN."""
        lists = (self._fixed, *self._current())
        if isinstance(who, Peer):
            return any(each.has(who) for each in lists)
        return isinstance(who, str) and any(each.has_dn(who) for each in lists)

    def names(self) -> tuple[str, ...]:
        """The members at present, as they were given."""
        return sum((each.texts for each in self._current()), self._fixed.texts)

    def _current(self) -> tuple[Names, ...]:
        return () if self._file is None else (self._file.current,)


def _watch(path: Path) -> Watched[Names]:
    return Watched(path, lambda data: reported(path, Names.parse(data)), "the list of peers", meanwhile=_NOBODY)
