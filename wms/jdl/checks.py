"""The checks of a single job's description (wms.md 2.2, 2.3): the same for the command line and the service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .attributes import TYPES, Type
from .document import Jdl
from .errors import JdlError, JdlKind, together
from .nodes import Expression, Literal

MAX_PORT = 65535
WILDCARDS = frozenset("*?[]{}")
MAX_USER_TAGS = 500  # each is an event that is on disk before the answer
INPUT_DATA_PREFIXES = ("lfn", "guid", "si-lfn", "si-guid")
Problems = Iterator[JdlError]


def check(jdl: Jdl) -> None:
    """Refuse a description that is not a correct single job.

    :raises JdlError: the first mistake in reading order, the others in its ``more``; each names line and attribute.
    """
    found = problems(jdl)
    if found:
        raise together(found)


def problems(jdl: Jdl) -> list[JdlError]:
    """Everything that is wrong with the description of a single job. Values are looked at when all types are right."""
    try:
        wrong = list(_unavailable(jdl)) or list(_types(jdl))
    except JdlError as error:  # Type or JobType has no value
        return [error]
    return wrong or [problem for rule in RULES for problem in rule(jdl)]


def _unavailable(jdl: Jdl) -> Problems:
    """Kinds of request that this release does not run, and those the field gave up (wms.md 1.7)."""
    kind = jdl.get("Type")
    if isinstance(kind, str) and kind.lower() in ("dag", "collection"):
        yield jdl.error(JdlKind.UNAVAILABLE, "Type", f"requests of Type {kind!r} are not available in this release")
    types = jdl.items("JobType")
    if len(types) > 1:
        yield jdl.error(JdlKind.SYNTAX, "JobType", "Composite Job Type not yet supported")
    for job_type in types:
        lower = job_type.lower() if isinstance(job_type, str) else "normal"
        if lower in ("partitionable", "checkpointable"):
            yield jdl.error(JdlKind.MANDATORY, "JobType", f"{lower.capitalize()} Jobs are Deprecated")
        elif lower in ("parametric", "interactive", "mpich"):
            message = f"jobs of JobType {lower!r} are not available in this release"
            yield jdl.error(JdlKind.UNAVAILABLE, "JobType", message)
        elif lower != "normal":
            yield jdl.error(JdlKind.SYNTAX, "JobType", f"unknown JobType {job_type!r}; 'normal' is meant?")
    if jdl.items("ZippedISB"):
        yield jdl.error(JdlKind.UNAVAILABLE, "ZippedISB", "zipped input sandboxes are not available in this release")


def _types(jdl: Jdl) -> Problems:
    for name in jdl:
        wanted = TYPES.get(name.lower(), Type.ANY)
        try:
            good = _fits(jdl, name, wanted)
        except JdlError as error:
            yield error
            continue
        if not good:
            yield jdl.error(JdlKind.MISMATCH, name, f"{wanted.value} is needed, not {_short(jdl.expression(name))}")


def _fits(jdl: Jdl, name: str, wanted: Type) -> bool:
    if wanted is Type.EXPRESSION:
        return _is_expression(jdl, name)
    if wanted is Type.ANY:
        return True
    value = jdl.get(name)
    if value is None:  # undefined counts as absent
        return True
    match wanted:
        case Type.STRING:
            return isinstance(value, str)
        case Type.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case Type.BOOLEAN:
            return isinstance(value, bool)
        case Type.RECORD:
            return isinstance(value, Jdl)
        case Type.STRINGS:
            return all(isinstance(item, str) for item in jdl.items(name))
    return all(isinstance(item, Jdl) for item in jdl.items(name))


def _is_expression(jdl: Jdl, name: str) -> bool:
    """Requirements must be able to be true or false, Rank to be a number: a string, list or record never is."""
    found = jdl.attribute(name)
    if found is None or isinstance(found.value, Expression):
        return True
    if not isinstance(found.value, Literal) or isinstance(found.value.value, str):
        return False
    return name.lower() == "rank" or not isinstance(found.value.value, float)


def _short(text: str | None) -> str:
    return text if text is not None and len(text) <= 60 else f"{(text or '')[:57]}..."


# -- values


def _executable(jdl: Jdl) -> Problems:
    if not jdl.string("Executable"):
        yield jdl.error(JdlKind.MANDATORY, "Executable", "this mandatory attribute is missing or empty")


def _programs(jdl: Jdl) -> Problems:
    """Files that must be absolute on the worker node or travel in the input sandbox."""
    names = sandbox_names(jdl)
    for name in ("Executable", "StdInput", "Prologue", "Epilogue"):
        path = jdl.string(name)
        if not path:
            continue
        if WILDCARDS & set(path):
            yield jdl.error(JdlKind.SYNTAX, name, f"wildcards are not allowed: {path!r}")
        elif path.startswith("/"):
            continue
        elif "/" in path.removeprefix("./"):
            message = f"{path!r} is a relative path; use an absolute one or a bare file name of the InputSandbox"
            yield jdl.error(JdlKind.SYNTAX, name, message)
        elif path.removeprefix("./") not in names:
            message = f"the file {path!r} is missing (inside InputSandbox)"
            yield jdl.error(JdlKind.MANDATORY, name, message)
    for script in ("Prologue", "Epilogue"):
        if f"{script}Arguments" in jdl and not jdl.string(script):
            yield jdl.error(JdlKind.GROUP, f"{script}Arguments", f"arguments without a script: set {script} too")


def sandbox_names(jdl: Jdl) -> set[str]:
    """The names that the input sandbox files will have in the job's directory; patterns match nothing here."""
    renamed = jdl.strings("InputSandboxDestFileName")
    return set(renamed) if renamed else {basename(item) for item in jdl.strings("InputSandbox")}


def basename(item: str) -> str:
    return item.rstrip("/").rsplit("/", 1)[-1]


def _standard_streams(jdl: Jdl) -> Problems:
    out, err = jdl.string("StdOutput"), jdl.string("StdError")
    for name, path in (("StdOutput", out), ("StdError", err)):
        if path and (path.startswith("..") or "/../" in path):
            yield jdl.error(JdlKind.SYNTAX, name, f"the path must not leave the job's directory: {path!r}")
    if out and err and basename(out) == basename(err) and out != err:
        message = f"StdOutput {out!r} and StdError {err!r} name different files that would overwrite each other"
        yield jdl.error(JdlKind.DUPLICATE, "StdError", message)


def _environment(jdl: Jdl) -> Problems:
    for item in jdl.strings("Environment"):
        if not re.match(r"[^=\s]+=", item):
            yield jdl.error(JdlKind.MISMATCH, "Environment", f"each item must be NAME=value: {item!r}")


def _input_sandbox(jdl: Jdl) -> Problems:
    base = jdl.string("InputSandboxBaseURI")
    if base is not None and not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", base):
        yield jdl.error(JdlKind.MISMATCH, "InputSandboxBaseURI", f"a URI with '://' is needed: {base!r}")
    items = jdl.strings("InputSandbox")
    for item in items:
        if not basename(item) or item.endswith("/"):
            yield jdl.error(JdlKind.SYNTAX, "InputSandbox", f"{item!r} names no file")
    names = jdl.strings("InputSandboxDestFileName")
    if "InputSandboxDestFileName" in jdl and len(names) != len(items):
        message = f"{len(names)} names for the {len(items)} items of InputSandbox"
        yield jdl.error(JdlKind.SYNTAX, "InputSandboxDestFileName", message)
    for name in names:
        if not name or "/" in name or name in (".", ".."):
            yield jdl.error(JdlKind.SYNTAX, "InputSandboxDestFileName", f"{name!r} is no plain file name")
    by_name: dict[str, str] = {}
    for item in items:
        first = by_name.setdefault(basename(item), item)
        if first != item:
            message = f"{first!r} and {item!r} have the same file name"
            yield jdl.error(JdlKind.DUPLICATE, "InputSandbox", message)


def _output_sandbox(jdl: Jdl) -> Problems:
    items = jdl.strings("OutputSandbox")
    names = [basename(item) for item in items]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield jdl.error(JdlKind.DUPLICATE, "OutputSandbox", f"the file {name!r} is named twice")
    for item in items:
        if not basename(item) or ".." in item.split("/"):
            yield jdl.error(JdlKind.SYNTAX, "OutputSandbox", f"{item!r} names no file of the job's directory")
    destinations = jdl.strings("OutputSandboxDestURI")
    if "OutputSandboxDestURI" not in jdl:
        return
    if len(destinations) != len(items):
        message = f"{len(destinations)} destinations for the {len(items)} items of OutputSandbox"
        yield jdl.error(JdlKind.SYNTAX, "OutputSandboxDestURI", message)
    if any(WILDCARDS & set(item) for item in items):
        message = "not together with wildcards in OutputSandbox; use OutputSandboxBaseDestURI"
        yield jdl.error(JdlKind.GROUP, "OutputSandboxDestURI", message)


MINIMA = {
    "RetryCount": 0,
    "ShallowRetryCount": -1,
    "CpuNumber": 1,
    "NodeNumber": 1,
    "SMPGranularity": 0,
    "HostNumber": 0,
    "ExpiryTime": 0,
    "PerusalTimeInterval": 0,
}


def _ranges(jdl: Jdl) -> Problems:
    for name, minimum in MINIMA.items():
        value = jdl.integer(name)
        if value is not None and value < minimum:
            message = "value must be greater than 0" if minimum == 1 else f"value cannot be less than {minimum}"
            yield jdl.error(JdlKind.SYNTAX, name, f"{message}: {value}")
    if "SMPGranularity" in jdl and "HostNumber" in jdl and not jdl.boolean("WholeNodes"):
        message = "SMPGranularity and HostNumber exclude each other unless WholeNodes is true"
        yield jdl.error(JdlKind.GROUP, "HostNumber", message)
    if "ListenerPort" in jdl:
        yield jdl.error(JdlKind.SYNTAX, "ListenerPort", "only for jobs of JobType 'interactive'")


def _data(jdl: Jdl) -> Problems:
    names = jdl.strings("InputData")
    for item in names:
        if item.split(":", 1)[0] not in INPUT_DATA_PREFIXES or ":" not in item:
            message = f"{item!r} does not begin with one of {', '.join(p + ':' for p in INPUT_DATA_PREFIXES)}"
            yield jdl.error(JdlKind.MISMATCH, "InputData", message)
    needs = "DataRequirements" in jdl
    if names and needs:
        message = "InputData and DataRequirements exclude each other"
        yield jdl.error(JdlKind.GROUP, "DataRequirements", message)
    if (names or needs) and not jdl.strings("DataAccessProtocol"):
        message = "DataAccessProtocol is needed with it"
        yield jdl.error(JdlKind.GROUP, "InputData" if names else "DataRequirements", message)
    yield from _members(jdl, "DataRequirements", ("InputData", "DataCatalogType"))
    yield from _members(jdl, "OutputData", ("OutputFile",))
    for output in jdl.items("OutputData"):
        logical = output.string("LogicalFileName") if isinstance(output, Jdl) else None
        if logical is not None and not logical.startswith("lfn:"):
            yield jdl.error(JdlKind.MISMATCH, "OutputData", f"LogicalFileName must begin with 'lfn:': {logical!r}")


def _members(jdl: Jdl, name: str, mandatory: tuple[str, ...]) -> Problems:
    for item in jdl.items(name):
        for member in mandatory:
            if isinstance(item, Jdl) and member not in item:
                yield jdl.error(JdlKind.MANDATORY, name, f"a record without its mandatory member {member}")


def _contacts(jdl: Jdl) -> Problems:
    for contact in jdl.strings("UserContact"):
        if contact.count("@") != 1:
            yield jdl.error(JdlKind.MISMATCH, "UserContact", f"exactly one '@' is needed: {contact!r}")
    address = jdl.string("LBAddress")
    if address and not _is_address(address):
        yield jdl.error(JdlKind.MISMATCH, "LBAddress", f"host or host:port is needed: {address!r}")
    tags = jdl.get("UserTags")
    if isinstance(tags, Jdl):
        if len(list(tags)) > MAX_USER_TAGS:
            yield jdl.error(JdlKind.SYNTAX, "UserTags", f"at most {MAX_USER_TAGS} tags")
        for name in tags:
            if not isinstance(tags.get(name), str):
                yield jdl.error(JdlKind.MISMATCH, "UserTags", f"the tag {name} must be a string")


def _is_address(text: str) -> bool:
    found = re.fullmatch(r"[A-Za-z0-9._-]+(?::([0-9]{1,5}))?", text)
    return found is not None and int(found[1] or 0) <= MAX_PORT


def _rank(jdl: Jdl) -> Problems:
    """A rank by data cost stands alone and needs the data attributes (wms.md 2.3)."""
    rank = (jdl.expression("Rank") or "").replace(" ", "").strip("()-").lower()
    if "other.dataaccesscost" not in rank:
        return
    if rank != "other.dataaccesscost":
        yield jdl.error(JdlKind.SYNTAX, "Rank", "other.DataAccessCost must be the whole of the expression")
    if not jdl.strings("InputData") or not jdl.strings("DataAccessProtocol"):
        yield jdl.error(JdlKind.GROUP, "Rank", "other.DataAccessCost needs InputData and DataAccessProtocol")


RULES: tuple[Callable[[Jdl], Problems], ...] = (
    _executable,
    _programs,
    _standard_streams,
    _environment,
    _input_sandbox,
    _output_sandbox,
    _ranges,
    _data,
    _contacts,
    _rank,
)
