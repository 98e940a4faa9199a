"""From a job description to job.json, the only thing the wrapper reads.

| member | meaning |
|---|---|
| jobid, seqcode | grid job id; sequence code with which the wrapper begins |
| executable, arguments | program and the text behind it, expanded by the shell |
| std_input, std_output, std_error | file names, null for none |
| environment | list of `NAME=value` |
| prologue, prologue_arguments, epilogue, epilogue_arguments | the user's scripts, null for none |
| input_sandbox | list of {source: URL, name: file name in the working directory} |
| output_sandbox | list of {file: path or pattern, destination: URL or null} |
| output_base | URL under which files without a destination of their own go |
| maradona | URL of Maradona.output, null for none |
| max_output_bytes | what the output sandbox may hold, -1 for no limit |
| proxy_expires | epoch seconds after which the program is ended, null for never |
| log_destination | host:port for the program's own events, null for none |
| proxy, ca_directory, work, state | paths on the node: set by the adapter of the computing element |

When the proxy is renewed, the adapter replaces the file `proxy` and then writes when it ends (epoch seconds) into
`<proxy>.expires`, which overrules proxy_expires.
"""

from __future__ import annotations

import posixpath
from typing import Any
from urllib.parse import urlsplit

from wms.jdl import Jdl, JdlError, JdlKind

Description = dict[str, Any]

#: What is put behind the name of the proxy's file for the file that says when a renewed one ends.
EXPIRES = ".expires"


def describe(
    jdl: Jdl,
    *,
    seqcode: str,
    proxy_expires: float | None = None,
    max_output_bytes: int = -1,
    log_destination: str | None = None,
) -> Description:
    """The adapter-independent part of job.json.

    :raises JdlError: an attribute that is needed is missing or has the wrong type.
    """
    base = jdl.string("WMPInputSandboxBaseURI")
    return {
        "jobid": _needed(jdl, "edg_jobid"),
        "seqcode": seqcode,
        "executable": _needed(jdl, "Executable"),
        "arguments": jdl.string("Arguments"),
        "std_input": jdl.string("StdInput"),
        "std_output": jdl.string("StdOutput"),
        "std_error": jdl.string("StdError"),
        "environment": jdl.strings("Environment"),
        "prologue": jdl.string("Prologue"),
        "prologue_arguments": jdl.string("PrologueArguments"),
        "epilogue": jdl.string("Epilogue"),
        "epilogue_arguments": jdl.string("EpilogueArguments"),
        "input_sandbox": _input(jdl, base),
        "output_sandbox": _output(jdl),
        "output_base": _output_base(jdl, base),
        "maradona": f"{base.rstrip('/')}/Maradona.output" if base else None,
        "max_output_bytes": max_output_bytes,
        "proxy_expires": proxy_expires,
        "log_destination": log_destination,
    }


def _needed(jdl: Jdl, name: str) -> str:
    value = jdl.string(name)
    if not value:
        raise jdl.error(JdlKind.MANDATORY, name, f"{name} is missing")
    return value


def _input(jdl: Jdl, base: str | None) -> list[dict[str, str]]:
    """Every file with its URL; an item without a scheme lies in the job's input directory at the WMS (wms.md 2.4)."""
    sources = jdl.strings("InputSandbox")
    names = jdl.strings("InputSandboxDestFileName") or [_basename(source) for source in sources]
    if len(names) != len(sources):
        raise jdl.error(JdlKind.MISMATCH, "InputSandboxDestFileName", "as many names as InputSandbox has are needed")
    return [
        {"source": source if "://" in source else _below(jdl, base, f"input/{_basename(source)}"), "name": name}
        for source, name in zip(sources, names, strict=True)
    ]


def _output(jdl: Jdl) -> list[dict[str, str | None]]:
    files = jdl.strings("OutputSandbox")
    destinations: list[str | None] = [*jdl.strings("OutputSandboxDestURI")] or [None] * len(files)
    if len(destinations) != len(files):
        raise jdl.error(JdlKind.MISMATCH, "OutputSandboxDestURI", "as many items as OutputSandbox has are needed")
    return [{"file": file, "destination": uri} for file, uri in zip(files, destinations, strict=True)]


def _output_base(jdl: Jdl, base: str | None) -> str | None:
    given = jdl.string("OutputSandboxBaseDestURI")
    if given or not jdl.strings("OutputSandbox") or jdl.strings("OutputSandboxDestURI"):
        return given
    return _below(jdl, base, "output")


def _below(jdl: Jdl, base: str | None, path: str) -> str:
    if not base:
        raise jdl.error(JdlKind.MANDATORY, "WMPInputSandboxBaseURI", "the job's sandbox at the WMS is not known")
    return f"{base.rstrip('/')}/{path}"


def _basename(source: str) -> str:
    return posixpath.basename(urlsplit(source).path if "://" in source else source)


__all__ = ["Description", "JdlError", "describe"]
