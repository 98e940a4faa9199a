"""The XML of the native protocol, as far as purging needs it (lb.md 4.3, 4.8)."""

import errno
from collections.abc import Iterable, Iterator
from typing import Any, Final

from guarded import xml
from lb.model.jobid import JobId, JobIdError
from lb.model.nativexml import CHARSET, CRLF, escape, unescape
from lb.model.status import find_state
from lb.server.errors import LbError
from lb.server.purge import PurgeRequest

#: Largest request, in bytes: a list of some 100,000 job ids.
MAX_REQUEST: Final = 8 << 20

#: Flags of a purge (lb.md 8.1).
REALLY, LIST, SERVER_DUMP, CLIENT_DUMP, BACKGROUND = (
    "really_purge", "list_jobs", "server_dump", "client_dump", "background"
)
_FLAGS: Final = frozenset({REALLY, LIST, SERVER_DUMP, CLIENT_DUMP, BACKGROUND})


def read_purge(body: bytes) -> tuple[PurgeRequest, frozenset[str]]:
    """A PurgeRequest and its flags. Raises LbError, xml.XmlRefused."""
    root = xml.parse(body, charset=CHARSET, limit=MAX_REQUEST)
    if root.tag != "edg_wll_PurgeRequest":
        raise LbError(errno.EINVAL, f"{root.tag} is no purge request")
    flags = frozenset(filter(None, unescape(root.findtext("flags")).split("+")))
    if unknown := flags - _FLAGS:
        raise LbError(errno.EINVAL, f"unknown flag {sorted(unknown)[0]}")
    listed = root.find("jobs")
    jobids = None if listed is None else [_jobid(unescape(element.text)) for element in listed.iterchildren("jobId")]
    ages = dict(_age(element) for element in root.iterfind("timeout/*"))
    request = PurgeRequest(
        jobids or None, ages, really=REALLY in flags, dump=SERVER_DUMP in flags, runtime_s=_runtime(root)
    )
    return request, flags


def _jobid(text: str) -> JobId:
    try:
        return JobId.parse(text.strip())
    except JobIdError as error:
        raise LbError(errno.EINVAL, str(error)) from None


def _age(element: Any) -> tuple[str, int]:
    state = find_state(element.tag)
    if state is None:
        raise LbError(errno.EINVAL, f"there is no state {element.tag}")
    seconds = _number(element.text, f"the time-out of {state}")
    if seconds < -2:
        raise LbError(errno.EINVAL, f"the time-out of {state} is in seconds, or -1 or -2")
    return state, seconds


def _runtime(root: Any) -> int:
    text = root.findtext("target_runtime")
    return 0 if text is None else max(_number(text, "target_runtime"), 0)


def _number(text: str | None, what: str) -> int:
    try:
        return int(text or "")
    except ValueError:
        raise LbError(errno.EINVAL, f"{what} is a number of seconds") from None


def purge_result(jobs: Iterable[object] | None, server_file: object | None, error: LbError | None = None) -> bytes:
    """The answer to a purge. jobs: None when they were not asked for."""
    return "".join(f"{line}{CRLF}" for line in _purge_lines(jobs, server_file, error)).encode(CHARSET)


def _purge_lines(jobs: Iterable[object] | None, server_file: object | None, error: LbError | None) -> Iterator[str]:
    yield _root("edg_wll_PurgeResult", error)
    if jobs is not None:
        yield "\t<jobs>"
        yield from (f"\t\t<jobId>{escape(str(jobid))}</jobId>" for jobid in jobs)
        yield "\t</jobs>"
    if server_file is not None:
        yield f"\t\t\t<server_file>{escape(str(server_file))}</server_file>"
    yield "</edg_wll_PurgeResult>"


def refusal(root: str, error: LbError) -> bytes:
    """An answer without content that only says why."""
    return f"{_root(root, error)}{CRLF}</{root}>{CRLF}".encode(CHARSET)


def _root(tag: str, error: LbError | None) -> str:
    return f"<{tag}>" if error is None else f'<{tag} code="{error.code}" desc="{escape(error.description)}">'
