"""Where the files of the input sandbox are: resolution on the client and in the service (wms.md 2.4)."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .checks import WILDCARDS, basename
from .document import Jdl
from .errors import JdlError, JdlKind

MAX_FILE_BYTES = 2_147_483_647  # wms.md 10: hard limit of one transferred file
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class LocalFile:
    """A file of the user's machine that travels with the job; ``name`` is its name in the sandbox."""

    path: Path
    name: str
    size_bytes: int


def is_local(item: str, base_uri: str | None) -> bool:
    """Whether the client has to transfer *item*: absolute path, file URI, or relative without InputSandboxBaseURI."""
    if item.startswith(("/", "file://", "$")):
        return True
    return not _SCHEME.match(item) and base_uri is None


def collect_local_files(jdl: Jdl, directory: Path, environ: Mapping[str, str] = os.environ) -> list[LocalFile]:
    """The client's side: expand ``$VAR`` and wildcards in the InputSandbox of *jdl* (changed in place) and list what is
    to be transferred, relative paths counted from *directory*.

    :raises JdlError: a file does not exist, is no regular readable file, is too large, or shares its name with another.
    """
    items, files = [], []
    base = jdl.string("InputSandboxBaseURI")
    for item in jdl.strings("InputSandbox"):
        if not is_local(item, base):
            items.append(item)
            continue
        for path in _expand(jdl, item, directory, environ):
            items.append(str(path))
            files.append(_local_file(jdl, path))
    if items != jdl.strings("InputSandbox"):
        jdl.set("InputSandbox", items)
    _refuse_same_names(jdl, files)
    return files


def _expand(jdl: Jdl, item: str, directory: Path, environ: Mapping[str, str]) -> list[Path]:
    text = item.removeprefix("file://")
    variable = _VARIABLE.match(text)
    if variable:
        name = variable.group(1) or variable.group(2)
        if name not in environ:
            raise jdl.error(JdlKind.SYNTAX, "InputSandbox", f"{item!r}: the variable {name} is not set")
        text = environ[name] + text[variable.end() :]
    path = directory / text
    if path.exists() or not WILDCARDS & set(text):
        return [Path(os.path.normpath(path))]
    found = sorted({Path(hit) for one in _braces(str(path)) for hit in glob.glob(one)})
    if not found:
        raise jdl.error(JdlKind.MANDATORY, "InputSandbox", f"{item!r} matches no file in {path.parent}")
    return [Path(os.path.normpath(hit)) for hit in found]


def _braces(pattern: str) -> list[str]:
    """The alternatives of the first ``{a,b}``, one after the other; glob knows only ``* ? [ ]``."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if match is None:
        return [pattern]
    head, tail = pattern[: match.start()], pattern[match.end() :]
    return [one for choice in match.group(1).split(",") for one in _braces(head + choice + tail)]


def _local_file(jdl: Jdl, path: Path) -> LocalFile:
    def refuse(reason: str) -> JdlError:
        return jdl.error(JdlKind.MANDATORY, "InputSandbox", f"the file {str(path)!r} {reason}")

    if not path.exists():
        raise refuse("does not exist")
    if not path.is_file():
        raise refuse("is not a regular file")
    if not os.access(path, os.R_OK):
        raise refuse("cannot be read")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise refuse(f"has {size} bytes; at most {MAX_FILE_BYTES} can be transferred")
    return LocalFile(path, path.name, size)


def _refuse_same_names(jdl: Jdl, files: list[LocalFile]) -> None:
    seen: dict[str, Path] = {}
    for file in files:
        if seen.setdefault(file.name, file.path) != file.path:
            message = f"{str(seen[file.name])!r} and {str(file.path)!r} have the same file name"
            raise jdl.error(JdlKind.DUPLICATE, "InputSandbox", message)


def resolve_input_sandbox(jdl: Jdl, sandbox_base_uri: str) -> None:
    """The service's side, in place: every item becomes a URI, a relative or local one below ``<base>/input/``; the
    destination names default to the base names."""
    items = jdl.strings("InputSandbox")
    if not items:
        return
    base = jdl.string("InputSandboxBaseURI")
    if not jdl.strings("InputSandboxDestFileName"):
        jdl.set("InputSandboxDestFileName", [basename(item) for item in items])
    jdl.set("InputSandbox", [_uri(item, base, sandbox_base_uri) for item in items])


def _uri(item: str, base: str | None, sandbox_base_uri: str) -> str:
    if is_local(item, base):
        return f"{sandbox_base_uri}/input/{quote(basename(item))}"
    if _SCHEME.match(item):
        return item
    return f"{str(base).rstrip('/')}/{item}"
