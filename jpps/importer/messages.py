"""What stands in a message of the maildirs (jp.md 4.3)."""

import re
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 8901

#: The dump exporter forgot the line break between the file's name and `jpps`.
_GLUED = re.compile(r"(.+?)jpps[ \t]+(https?://\S+|[\w.\[\]-]+:\d+)")
_LINE = re.compile(r"(\S+)[ \t]+(\S.*?)[ \t\r]*")


class BadMessage(ValueError):
    """The message cannot be understood, now or later."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A job to be registered, with the DN of its owner."""

    jobid: str
    owner: str

    @classmethod
    def parse(cls, data: bytes) -> "Registration":
        """Read two lines: job id, owner. Raises BadMessage."""
        lines = [line.strip() for line in _text(data).split("\n")]
        if len(lines) < 2 or not lines[0] or not lines[1]:
            raise BadMessage("a registration is two lines, job id and owner")
        return cls(lines[0], lines[1])


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to be uploaded. `target`: URL of the Primary Storage, None for the usual one."""

    jobid: str
    path: Path
    target: str | None

    @classmethod
    def parse(cls, data: bytes) -> "Upload":
        """Read lines `key<blanks>value`; unknown keys do not matter. Raises BadMessage."""
        values: dict[str, str] = {}
        for line in filter(None, (line.strip() for line in _text(data).split("\n"))):
            match = _LINE.fullmatch(line)
            if match is None:
                raise BadMessage(f"key without value: {line[:80]!r}")
            values[match[1]] = match[2]
        if missing := {"jobid", "file"} - values.keys():
            raise BadMessage(f"no {' and no '.join(sorted(missing))} in the message")
        if "jpps" not in values and (glued := _GLUED.fullmatch(values["file"])):
            values["file"], values["jpps"] = glued.groups()
        target = values.get("jpps")
        return cls(values["jobid"], Path(values["file"]), None if target is None else url(target))


def url(target: str) -> str:
    """Return the URL of a Primary Storage that is named as URL, host:port or host; TLS is spoken in any case."""
    if "://" not in target:
        has_port = re.search(r":\d+$", target) is not None
        return f"https://{target}" if has_port else f"https://{target}:{DEFAULT_PORT}"
    return f"https://{target.removeprefix('http://')}" if target.startswith("http://") else target


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadMessage("the message is not UTF-8") from None
