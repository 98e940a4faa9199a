"""The policy file: who may do what at an LB server (lb.md 11.1).

::

    # comment
    resource "LB" {
        action "READ_ALL" {
            rule permit { subject = "/DC=org/DC=example/CN=Monitor" }
            rule permit { subject = ".*"  fqan = "/vo/Role=admin" }
        }
    }

All attributes of a rule must match, any rule of an action suffices, what no rule permits is denied. `.*` matches
everything; there are no other patterns. A subject is compared with gsi.names.same_dn. An fqan is one that the peer has
shown with a valid VOMS signature; `/vo` and `/vo/Role=NULL/Capability=NULL` are two ways to write the same.

The file is read again when it changes; the original had to be restarted. A version with a mistake in it is reported in
the log, and what was permitted before stays so until it is mended.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gsi.errors import FqanError, RulesError
from gsi.fqan import normal
from gsi.names import same_dn
from gsi.peer import Peer
from gsi.watched import Watched

#: Longest policy file, in bytes: a limit of ours.
MAX_FILE: Final = 1 << 20
ANY: Final = ".*"


class PolicyError(RulesError):
    """The policy file cannot be read; the text says where and what was expected."""


class Action(Enum):
    """What can be permitted; the values are the names in the file."""

    ADMIN_ACCESS = "ADMIN_ACCESS"
    STATUS_FOR_MONITORING = "STATUS_FOR_MONITORING"
    LOG_WMS_EVENTS = "LOG_WMS_EVENTS"
    LOG_CE_EVENTS = "LOG_CE_EVENTS"
    LOG_GENERAL_EVENTS = "LOG_GENERAL_EVENTS"
    GET_STATISTICS = "GET_STATISTICS"
    REGISTER_JOBS = "REGISTER_JOBS"
    READ_ALL = "READ_ALL"
    PURGE = "PURGE"
    GRANT_OWNERSHIP = "GRANT_OWNERSHIP"
    READ_ANONYMIZED = "READ_ANONYMIZED"
    REGISTER_FOREIGN = "REGISTER_FOREIGN"


@dataclass(frozen=True, slots=True)
class Rule:
    """One `rule permit`: the attributes that must all match."""

    subjects: tuple[str, ...] = ()
    fqans: tuple[str, ...] = ()

    def permits(self, peer: Peer) -> bool:
        """Whether all attributes of the rule match the peer."""
        subjects = all(wanted == ANY or same_dn(wanted, peer.dn) for wanted in self.subjects)
        return subjects and all(wanted == ANY or _shown(wanted, peer) for wanted in self.fqans)

    @property
    def names_somebody(self) -> bool:
        """Whether the rule is about certain people or roles: it is then a statement of trust."""
        return any(value != ANY for value in (*self.subjects, *self.fqans))


@dataclass(frozen=True)
class PolicyFile:
    """The rules of a file by action; actions that the file does not mention permit nobody."""

    rules: Mapping[Action, tuple[Rule, ...]] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def watch(cls, path: Path) -> Watched["PolicyFile"]:
        """The file as it is at present; a bad version of it leaves the last good one in force. Raises RulesError."""
        return Watched(path, lambda data: cls.read(data, str(path)), "the policy file")

    @classmethod
    def read(cls, data: bytes, name: str = "policy") -> "PolicyFile":
        """Read the bytes of a policy file; `name` stands in messages. Raises PolicyError."""
        if len(data) > MAX_FILE:
            raise PolicyError(f"{name} is larger than {MAX_FILE} bytes")
        try:
            return cls.parse(data.decode("utf-8"), name)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise PolicyError(f"{name}, line {line}: not UTF-8") from error

    @classmethod
    def parse(cls, text: str, name: str = "policy") -> "PolicyFile":
        """Read the text of a policy file; `name` stands in messages. Raises PolicyError."""
        return cls(MappingProxyType(_Parser(text, name).resource()))

    def permits(self, action: Action, peer: Peer) -> bool:
        """Whether some rule of the action permits the peer; ADMIN_ACCESS permits everything."""
        return any(rule.permits(peer) for rule in self._rules(action))

    def trusts(self, action: Action, peer: Peer) -> bool:
        """Whether a rule that names somebody, not just everybody, permits the peer."""
        return any(rule.names_somebody and rule.permits(peer) for rule in self._rules(action))

    def _rules(self, action: Action) -> tuple[Rule, ...]:
        return self.rules.get(Action.ADMIN_ACCESS, ()) + self.rules.get(action, ())


def _shown(wanted: str, peer: Peer) -> bool:
    """Whether the peer has the FQAN; one that is no FQAN at all is compared as it stands."""
    return wanted in peer.fqans or _normal(wanted) in map(_normal, peer.fqans)


def _normal(fqan: str) -> str:
    try:
        return normal(fqan)
    except FqanError:
        return fqan


# ---- grammar --------------------------------------------------------------------------------------------------------

_TOKEN: Final = re.compile(r'(?P<blank>[ \t\r\n]+|#[^\n]*)|(?P<string>"[^"\n]*")|(?P<word>[a-z]+)|(?P<sign>[{}=])')


class _Parser:
    """resource "LB" { { action "NAME" { { rule permit { { (subject | fqan) = "…" } } } } } }"""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._tokens = self._scan(text)
        self._advance()

    def resource(self) -> dict[Action, tuple[Rule, ...]]:
        self._expect("resource")
        if self._text("the name of a resource") != "LB":
            raise self._error('the only resource is "LB"')
        self._expect("{")
        rules: dict[Action, tuple[Rule, ...]] = {}
        while self._token == "action":
            self._advance()
            action = self._action()
            rules[action] = rules.get(action, ()) + self._rules()
        self._expect("}")
        if self._token:
            raise self._error("nothing may follow the block of the resource")
        return rules

    def _action(self) -> Action:
        name = self._text("the name of an action")
        try:
            return Action(name)
        except ValueError:
            known = ", ".join(action.value for action in Action)
            raise self._error(f'there is no action "{name}"; the actions are {known}') from None

    def _rules(self) -> tuple[Rule, ...]:
        self._expect("{")
        rules = []
        while self._token == "rule":
            self._advance()
            self._expect("permit")
            rules.append(self._rule())
        self._expect("}")
        return tuple(rules)

    def _rule(self) -> Rule:
        self._expect("{")
        found: dict[str, list[str]] = {"subject": [], "fqan": []}
        while self._token in found:
            values = found[self._token]
            self._advance()
            self._expect("=")
            values.append(self._text("a value"))
        if not any(found.values()):
            raise self._error('a rule needs subject = "…" or fqan = "…"')
        self._expect("}")
        return Rule(tuple(found["subject"]), tuple(found["fqan"]))

    def _text(self, what: str) -> str:
        if not self._token.startswith('"'):
            raise self._error(f"{what} in double quotes was expected")
        value = self._token[1:-1]
        self._advance()
        return value

    def _expect(self, token: str) -> None:
        if self._token != token:
            raise self._error(f"{token!r} was expected")
        self._advance()

    def _advance(self) -> None:
        self._token, self._line = next(self._tokens)

    def _scan(self, text: str) -> Iterator[tuple[str, int]]:
        position, line = 0, 1
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise PolicyError(f"{self._name}, line {line}: unexpected {text[position]!r}")
            if match.lastgroup != "blank":
                yield match[0], line
            line += match[0].count("\n")
            position = match.end()
        while True:
            yield "", line

    def _error(self, what: str) -> PolicyError:
        found = f", found {self._token}" if self._token else ", found the end of the file"
        return PolicyError(f"{self._name}, line {self._line}: {what}{found}")
