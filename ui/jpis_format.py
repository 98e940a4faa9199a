"""Answers of glite-jpis-client: XML, JSON or human text (jp.md 5.2). All but the human form stream."""

import base64
import json as json_text
from collections.abc import Iterator
from typing import IO, Any
from xml.sax.saxutils import escape

from ui.jpis_query import value_text

_INDENT = "  "


def xml(jobs: Iterator[Any], out: IO[str]) -> None:
    """Write the answer as indented XML."""
    _xml(jobs, out, "\n", _INDENT)


def stripped_xml(jobs: Iterator[Any], out: IO[str]) -> None:
    """Write the answer as XML without any white space between elements."""
    _xml(jobs, out, "", "")
    out.write("\n")


def _xml(jobs: Iterator[Any], out: IO[str], newline: str, indent: str) -> None:
    job = next(jobs, None)  # a fault shows before anything is written
    out.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<QueryJobsResponse>{newline}')
    while job is not None:
        for depth, text in _job_lines(job):
            out.write(f"{indent * depth}{text}{newline}")
        job = next(jobs, None)
    out.write(f"</QueryJobsResponse>{newline}")


def _job_lines(job: Any) -> Iterator[tuple[int, str]]:
    """Yield (depth, line) of one job."""
    yield 1, "<jobs>"
    yield 2, _element("jobid", job.jobid)
    if job.owner is not None:
        yield 2, _element("owner", job.owner)
    for value in job.attributes:
        yield 2, "<attributes>"
        yield 3, _element("name", value.name)
        if value.value is not None:
            yield 3, f"<value>{_content(value.value)}</value>"
        if value.timestamp is not None:
            yield 3, _element("timestamp", _instant(value.timestamp))
        if value.origin is not None:
            yield 3, _element("origin", value.origin)
        if value.originDetail is not None:
            yield 3, _element("originDetail", value.originDetail)
        yield 2, "</attributes>"
    for storage in job.primaryStorage:
        yield 2, _element("primaryStorage", storage)
    yield 1, "</jobs>"


def _content(value: Any) -> str:
    if value.blob is not None:
        return _element("blob", base64.b64encode(value.blob).decode())
    return _element("string", value.string or "")


def _element(name: str, text: str) -> str:
    # a bare CR would be read back as LF
    return f"<{name}>{escape(text, {chr(13): '&#13;'})}</{name}>"


def _instant(time: Any) -> str:
    return str(time.strftime("%Y-%m-%dT%H:%M:%SZ"))


def json(jobs: Iterator[Any], out: IO[str]) -> None:
    """Write one JSON document: {"jobs": [...]}; binary values are base64 under "blob" instead of "value"."""
    job = next(jobs, None)
    out.write('{"jobs": [')
    separator = "\n"
    while job is not None:
        out.write(separator + json_text.dumps(_json_job(job), ensure_ascii=False))
        separator = ",\n"
        job = next(jobs, None)
    out.write("\n]}\n")


def _json_job(job: Any) -> dict[str, Any]:
    return {
        "jobid": job.jobid, "owner": job.owner, "attributes": [_json_value(value) for value in job.attributes],
        "primaryStorage": list(job.primaryStorage),
    }


def _json_value(value: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": value.name}
    if value.value is not None and value.value.blob is not None:
        shown["blob"] = base64.b64encode(value.value.blob).decode()
    elif value.value is not None:
        shown["value"] = value.value.string
    if value.timestamp is not None and value.timestamp.timestamp() != 0:
        shown["timestamp"] = _instant(value.timestamp)
    if value.origin is not None:
        shown["origin"] = value.origin
    if value.originDetail is not None:
        shown["originDetail"] = value.originDetail
    return shown


def human(jobs: Iterator[Any], out: IO[str]) -> None:
    """Write the answer for reading. The number of jobs comes first, so all are read before."""
    found = list(jobs)
    out.write(f"Result {len(found)} jobs:\n")
    for job in found:
        out.write(f"\tjobid = {job.jobid}, owner = {job.owner}\n")
        for value in job.attributes:
            detail = f", {value.originDetail}" if value.originDetail else " (no detail)"
            out.write(f"\t\t{value.name}\n\t\t\tvalue = {value_text(value.value)}\n")
            out.write(f"\t\t\torigin = {value.origin}{detail}\n")
            if value.timestamp is not None and value.timestamp.timestamp() != 0:
                out.write(f"\t\t\ttime = {value.timestamp.strftime('%a %b %e %H:%M:%S %Y')} UTC\n")
