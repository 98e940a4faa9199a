"""glite-lb-event: what is wrong with a line and where, ULM and JSON of the same events, the catalogue as it is."""

import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click import UsageError
from click.testing import Result

import helps
from lb.model import ulm
from lb.model.catalogue import COMMON
from lb.model.events import EVENTS
from lb.model.times import parse_date
from lb.model.vocabulary import SOURCES
from lblines import JOB, done, line, registration, running, written
from lbrecorded import DUMPS, TRACES
from shared import ROOT, needs_shared
from ui import lb_event, lb_files
from ui.lb_explain import excerpt


def event(*arguments: object) -> Result:
    return helps.told(lb_event.command, *arguments)


def objects(*arguments: object) -> list[dict[str, Any]]:
    return [json.loads(each) for each in event("--json", *arguments).stdout.splitlines()]


def program(*arguments: object, octets: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return helps.process("ui.lb_event", *arguments, octets=octets)


# ---- checking -------------------------------------------------------------------------------------------------------


@needs_shared
def test_recorded_lines_are_good() -> None:
    for path in (*DUMPS.glob("*.log"), *TRACES.glob("*.log")):
        told = event("--assume-jobid", JOB, "--assume-user", "/CN=me", path)
        assert told.return_value == 0, told.stdout
    assert event(DUMPS / "dump1.log").stdout == "312 lines, all good\n"


#: A bad line; the text below the caret; words of the reason and of what to do.
BAD = [
    (running(1).replace(' HOST="h"', ' HOST= "h"'), '"h"', "the name of a field should stand here", 'NAME="VALUE"'),
    (running(1).replace(' HOST="h"', " HOST h"), ' h', "there is no = after HOST", 'write HOST="VALUE"'),
    (running(1).replace('NODE="wn1"', 'NODE="a "b" c"'), 'b" c"', "DG.RUNNING.NODE ended with the quote before",
     'write \\" for a quote'),
    (running(1).rstrip()[:-2], '"wn', "opens the value of DG.RUNNING.NODE is never closed", "cut off"),
    (running(1).replace("PROG=edg-wms", "PROG=edg\\wms"), "\\wms", "\\ cannot stand in a value without quotes",
     'write PROG="VALUE"'),
    (running(1) .rstrip() + "".join(f" X{number}=1" for number in range(100)), "X", "more than 100 fields",
     "superfluous"),
    (running(1).replace('EVNT="Running"', 'EVNT="Runing"'), 'Runing"', 'no type of event is called "Runing"',
     "did you mean Running"),
    (running(1).replace('EVNT="Running"', 'EVNT="zzz"'), 'zzz"', "no type of event", "glite-lb-event --list"),
    (running(1).replace(' DG.EVNT="Running"', ""), "", "does not say which event it is", 'add DG.EVNT="NAME"'),
    ('DATE=20260101000000.000000 HOST="h" PROG=internal LVL=system DG.PRIORITY=1 DG.TYPE="command" '
     'DG.COMMAND="flush" DG.TIMEOUT="10"\n', 'DG.TYPE="command"', "this is a command", "leave it out"),
    (running(1).replace("wn1", ""), '""', "DG.RUNNING.NODE is empty: the worker node; text", "write a value"),
    (running(1).replace(' DG.RUNNING.NODE="wn1"', ""), "", "DG.RUNNING.NODE is required and not there",
     'add DG.RUNNING.NODE="VALUE"'),
    (running(1, user=None), "", "DG.USER is required and not there", "or say it with --assume-user"),
    (running(1, job="h:9000/x"), '"h:9000/x"', 'DG.JOBID "h:9000/x" counts as none', "write a job id"),
    (running(1, source="LogMoniter"), '"LogMoniter"', "counts as none: component", "did you mean LogMonitor?"),
    (running(1).replace("DATE=2026", "DATE=x026"), "x026", "time YYYYMMDDHHMMSS.uuuuuu in UTC", "write a value"),
    (done(1, "CANCELED"), '"CANCELED"', "one of OK (1), FAILED (2), CANCELLED (3)", "did you mean CANCELLED?"),
    (done(1).replace('CODE="3"', 'CODE="-1"'), '"-1"', "exit code of the process; number, -1 is none",
     "write a number other than -1"),
    (running(1).replace('LVL=SYSTEM', 'LVL=SYSTEM HOST="h"'), 'HOST="h" DG.PRI', "HOST stands here once more, first at",
     "leave only one"),
    (running(1).replace("DG.RUNNING.NODE", 'DG.DONE.REASON="x" DG.RUNNING.NODE'), 'DG.DONE.REASON="x"',
     "DG.DONE.REASON belongs to Done, and this is Running", "--describe Running"),
]


@pytest.mark.parametrize(("bad", "below", "reason", "remedy"), BAD)
def test_what_is_wrong_with_a_line_and_where(bad: str, below: str, reason: str, remedy: str, tmp_path: Path) -> None:
    told = event(written(tmp_path / "f", running(1), bad))
    assert told.return_value == 1
    head, *rest, summary = told.stdout.splitlines()
    assert head.startswith(f"{tmp_path}/f:2: ") and summary == "2 lines, 1 bad"
    with pytest.raises(ulm.UlmError) as refused:
        ulm.parse(bad)
    assert f"{refused.value.code}" in head and str(refused.value) in head
    carets = [number for number, text in enumerate(rest) if text.strip() == "^"]
    assert bool(carets) == bool(below)
    if below:
        column = rest[carets[0]].index("^")
        assert rest[carets[0] - 1][column:].startswith(below)
    assert reason in told.stdout and remedy in told.stdout.partition("what to do: ")[2]


def test_all_that_is_missing_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "f", 'DATE=x DG.EVNT="Done" DG.DONE.STATUS_CODE="?"\n')
    shown = event(path).stdout
    names = ("DATE", "HOST", "DG.PRIORITY", "DG.JOBID", "DG.SEQCODE", "DG.USER", "DG.SOURCE", "DG.DONE.STATUS_CODE",
             "DG.DONE.EXIT_CODE")
    assert [name for name in names if f"    {name} " in shown] == list(names)
    shown = event("--assume-jobid", JOB, "--assume-user", "x", path).stdout
    assert "    DG.HOST " not in shown and "    DG.USER " not in shown and "    DG.JOBID " not in shown


@pytest.mark.parametrize(("text", "position", "shown"), [
    ("abc", 1, ("abc", " ^")),
    ("x" * 50 + "HERE" + "y" * 50, 50, ("…" + "x" * 36 + "HERE" + "y" * 32 + "…", " " * 37 + "^")),
    ("\x1b[2J\udcff日", 5, ("\\x1b[2J\\xff日", " " * 11 + "^")),
    ("日a", 1, ("日a", "  ^")),
    ("a", 1, ("a", " ^")),
])
def test_the_caret_stands_below_the_place(text: str, position: int, shown: tuple[str, str]) -> None:
    assert excerpt(text, position) == shown


def test_what_good_lines_say(tmp_path: Path) -> None:
    odd = running(1).replace("LVL=SYSTEM", "LVL=LOUD DG.RUNNING.SHOE=1 X=2").replace("DG.SEQCODE=\"", "DG.SEQCODE=\"?")
    told = event("--verbose", written(tmp_path / "f", odd, registration(1, more='DG.REGJOB.PARENT="?"')))
    assert told.return_value == 0
    rows = [" ".join(row.split()) for row in told.stdout.splitlines()]
    assert f"{tmp_path}/f:1: Running (8, gLite): The job wrapper has started on a worker node." in rows
    assert "DG.RUNNING.NODE wn1 the worker node" in rows
    assert f"DG.JOBID {JOB} job that the event belongs to" in rows
    notes = [row for row in rows if row.startswith("note: ")]
    assert [note.split()[1] for note in notes] == ["LVL", "DG.RUNNING.SHOE", "X", "DG.SEQCODE", "DG.REGJOB.PARENT"]


# ---- JSON and back --------------------------------------------------------------------------------------------------


@needs_shared
@pytest.mark.parametrize(("name", "seconds", "parameter"), [("dump1.log", 2736, "-m 12"), ("dump4.log", 1573, "-m 12")])
def test_the_events_of_the_challenge(name: str, seconds: int, parameter: str) -> None:
    """provenance-challenge.md 4: numbers of events, duration, and queries 1 to 4."""
    told = objects(DUMPS / name)
    assert Counter(each["type"] for each in told) == {
        "UserTag": 102, "RegJob": 47, "Running": 31, "Done": 31, "Accepted": 17, "Transfer": 17, "Match": 16,
        "HelperCall": 15, "HelperReturn": 15, "ReallyRunning": 15, "EnQueued": 4, "DeQueued": 2}
    ended = [_seconds(each["timestamp"]) for each in told if each["type"] == "Done" and each["source"] == "LRMS"]
    assert abs(max(ended) - min(_seconds(each["timestamp"]) for each in told) - seconds) < 1
    tags: dict[str, list[tuple[str, str]]] = {}
    for each in told:
        if each["type"] == "UserTag":
            tags.setdefault(each["name"], []).append((each["jobId"], each["value"]))
    assert len({job for job, value in tags["ipaw_param"] if value == parameter}) == 4
    made = {url: job for job, url in tags["ipaw_output"]}
    edges = {(made[url], job) for job, url in tags["ipaw_input"] if url in made}
    assert len(edges) == 14
    [graphic] = {job for job, url in tags["ipaw_output"] if url.endswith("-x.gif")}
    behind = set(_behind(graphic, edges))
    assert len(behind) == 11
    stage = dict(tags["ipaw_stage"])
    assert sorted(stage[job] for job in behind if stage[job] >= "3") == ["3", "4", "5"]


def _seconds(date: str) -> float:
    seconds, microseconds = parse_date(date)
    return seconds + microseconds / 1e6


def _behind(job: str, edges: set[tuple[str, str]]) -> Iterator[str]:
    yield job
    for before, after in edges:
        if after == job:
            yield from _behind(before, edges)


def canonical(path: Path) -> bytes:
    lines = (each for each in path.read_bytes().split(b"\n") if each.strip())
    return b"".join(ulm.encode(ulm.write(ulm.parse(each), arrived=True)) + b"\n" for each in lines)


@needs_shared
def test_json_and_back_is_exact(tmp_path: Path) -> None:
    for path in (*DUMPS.glob("*.log"), TRACES / "perf_collection_avg_events.log", *TRACES.glob("sample*.log")):
        (tmp_path / "json").write_text(event("--json", path).stdout)
        back = event("--ulm", tmp_path / "json")
        assert back.stdout_bytes == canonical(path) and back.stderr == ""
        assert event("--ulm", path).stdout_bytes == back.stdout_bytes
        assert event("--json", tmp_path / "json").stdout == (tmp_path / "json").read_text()


def test_every_octet_comes_back(tmp_path: Path) -> None:
    fields = b'DG.USERTAG.NAME="n" DG.USERTAG.VALUE="' + bytes(set(range(1, 256)) - set(b'\n"\\')) + b'\\"\\\\\\n\xc3"'
    octets = line("UserTag", 1, "@@").encode().replace(b"@@", fields)
    (tmp_path / "f").write_bytes(octets)
    told = program("--json", tmp_path / "f")
    assert told.stdout.isascii() and b"\\udcff" in told.stdout
    back = program("--ulm", "-", octets=told.stdout)
    assert back.stdout == program("--ulm", tmp_path / "f").stdout == canonical(tmp_path / "f")
    assert fields in back.stdout


def test_lines_of_both_kinds_and_the_option_that_tells(tmp_path: Path) -> None:
    text = event("--json", written(tmp_path / "f", running(1))).stdout
    path = written(tmp_path / "g", text, running(2))
    assert event(path).stdout == "2 lines, all good\n"
    assert event("--from", "json", path).return_value == 1
    assert event("--from", "ulm", path).return_value == 1


@pytest.mark.parametrize("bad", ["{", "{}", '{"type": 3}', '{"type": "None"}', "[1]", '{"type": "Running"}'])
def test_json_that_is_no_event(bad: str, tmp_path: Path) -> None:
    told = event("--from", "json", "--ulm", written(tmp_path / "f", bad + "\n", event("--json", written(
        tmp_path / "g", running(1))).stdout))
    assert told.return_value == 1
    assert told.stderr.startswith(f"{tmp_path}/f:1: ") and told.stderr.endswith("2 lines, 1 bad\n")
    assert "what to do: " in told.stderr
    assert told.stdout.count("\n") == 1


def test_what_is_supplied(tmp_path: Path) -> None:
    path = written(tmp_path / "f", running(1, job=None, user=None))
    assert event("--json", path).return_value == 1
    [told] = objects("--assume-jobid", JOB, "--assume-user", "/CN=he", path)
    assert (told["jobId"], told["user"]) == (JOB, "/CN=he")
    path = written(tmp_path / "g", json.dumps({key: told[key] for key in told if key not in ("jobId", "user")}))
    told_error = event(path).stdout
    assert "the event has no jobId (PARSE_MSG_INCOMPLETE 1403)" in told_error and "--describe NAME" in told_error
    assert objects("--assume-jobid", JOB, "--assume-user", "/CN=he", path) == [told]
    assert event("--assume-jobid", JOB, path).return_value == 1


# ---- the catalogue --------------------------------------------------------------------------------------------------


def test_the_list() -> None:
    rows = event("--list").stdout.splitlines()[2:]
    assert [row.split()[:2] for row in rows] == [[str(kind.code), name] for name, kind in EVENTS.items()]
    rows = event("--list", "cream").stdout.splitlines()[2:]
    assert rows and all(row.split()[2] == "CREAM" for row in rows)
    told = objects("--list")
    assert [each["name"] for each in told] == list(EVENTS)
    with pytest.raises(UsageError, match="'x' is no family of events; the families are gLite, PBS, Condor, CREAM"):
        event("--list", "x")


@pytest.mark.parametrize("name", EVENTS)
def test_every_type_can_be_described(name: str) -> None:
    kind = EVENTS[name]
    shown = event("--describe", name.upper()).stdout
    assert shown.startswith(f"{name} ({kind.code}, {kind.family}): {kind.doc}\nSince {kind.since}.\n")
    assert all(field.ulm in shown and field.xml in shown and field.doc in shown for field in kind.fields)
    assert all(f"{value} ({field.number(value)}" in shown for field in kind.fields for value in field.values)
    [told] = objects("--describe", name)
    assert (told["name"], told["code"], told["family"], told["since"]) == (name, kind.code, kind.family, kind.since)
    assert [each["ulm"] for each in told["fields"]] == [field.ulm for field in kind.fields]
    assert [each["required"] for each in told["fields"]] == [field.required for field in kind.fields]


def test_the_fields_of_all_events() -> None:
    shown = event("--describe", "common", "--describe", "Pending").stdout
    assert all(field.ulm in shown for field in COMMON) and "Pending (16, gLite)" in shown
    [told] = objects("--describe", "Common")
    assert [each["ulm"] for each in told["fields"]] == [field.ulm for field in COMMON]


def test_the_names_that_all_events_share() -> None:
    """Components, flags of delivery and levels, with what they mean and since when."""
    shown = [" ".join(row.split()) for row in event("--describe", "common").stdout.splitlines()]
    assert "13 PBSServer SERVER 3.3 the server of PBS" in shown
    assert "64 EXCL 2.1 a registration that has to be the first of its job" in shown
    [told] = objects("--describe", "common")
    assert [each["name"] for each in told["sources"]] == list(SOURCES) and told["levels"]["SYSTEM"] == 8
    assert told["sources"][9] == {"name": "CREAMInterface", "code": 10, "component": None, "since": "unknown",
                                  "meaning": "the door of the computing element CREAM"}
    assert sum(each["value"] for each in told["flags"]) == 255


@pytest.mark.parametrize(("name", "words"), [
    ("Doen", "did you mean Done"), ("commn", "did you mean common?"), ("zzz", "--list tells all names"),
])
def test_a_name_that_is_none(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("?", "[?]")):
        event("--describe", name)


# ---- files and usage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "code", "words"), [
    ((), 2, "name a file"), (("--json", "--ulm", "-"), 2, "exclude one another"), (("--list", "PBS", "-"), 2, "alone"),
    (("--describe", "Doen"), 2, "did you mean"), (("--from", "xml", "-"), 2, "xml"),
    (("/no/such/file",), 1, "is not there"), (("/usr",), 1, "is a directory"),
])
def test_wrong_usage(arguments: Sequence[str], code: int, words: str) -> None:
    told = program(*arguments)
    assert told.returncode == code and words in told.stderr.decode() and b"Traceback" not in told.stderr


def test_odd_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").touch()
    assert event(tmp_path / "empty").stdout == "no lines\n" and event(tmp_path / "empty").return_value == 0
    (tmp_path / "odd").write_bytes(b"\0\0\n\xff\xfe\r\n" + running(1).encode().replace(b"\n", b"\r\n") + b"\r\n  \n"
                                   + running(2).rstrip().encode())
    told = event(tmp_path / "odd")
    assert told.stdout.splitlines()[-1] == "4 lines, 2 bad"
    assert "\\x00\\x00" in told.stdout and "\\xff\\xfe" in told.stdout
    (tmp_path / "packed").write_bytes(gzip.compress(running(1).encode()))
    assert event(tmp_path / "packed").stdout == "1 line, all good\n"
    (tmp_path / "cut").write_bytes(gzip.compress(running(1).encode())[:-9])
    told = event(tmp_path / "cut")
    assert told.return_value == 1 and "damaged or cut off" in told.stdout
    monkeypatch.setattr(lb_files, "LONGEST", 1000)
    told = event(written(tmp_path / "long", running(1), "x" * 2000 + "\n", running(2)))
    assert told.return_value == 1 and "shorten what it carries" in told.stdout
    assert told.stdout.splitlines()[-1] == "3 lines, 1 bad"


def test_of_many_bad_lines_the_first_are_told_and_the_others_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "f", *["bad\n"] * 11, running(1))
    told = event(path)
    assert told.stdout.count("PARSE_BROKEN_ULM") == 10
    assert told.stdout.splitlines()[-2:] == [f"{path}: 1 more bad line; --all tells of each", "12 lines, 11 bad"]
    assert event("--all", path).stdout.count("PARSE_BROKEN_ULM") == 11
    told = event("--ulm", path)
    assert told.stdout.count("\n") == 1 and "1 more bad line" in told.stderr


def test_a_file_of_another_form_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(running(1).encode("utf-16"))
    told = event(tmp_path / "f")
    assert told.return_value == 1 and len(told.stdout.splitlines()) == 2 and "iconv -f UTF-16" in told.stdout


def test_a_mark_of_the_byte_order_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(running(1).encode("utf-8-sig"))
    assert r"remove it: sed '1s/^\xEF\xBB\xBF//'" in event(tmp_path / "f").stdout


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    path = written(tmp_path / "f", *map(running, range(60)), *["bad\n"] * 2000)
    for arguments in (path, f"--json {path}", f"--ulm {path}", f"--verbose {path}", "--list"):
        command = f"{sys.executable} -m ui.lb_event {arguments}"
        done = subprocess.run(f"{command} 2>{tmp_path}/e | head -n 1", shell=True, cwd=ROOT, capture_output=True,
                              text=True, check=False)
        assert len(done.stdout.splitlines()) == 1 and "Traceback" not in (tmp_path / "e").read_text()


def test_the_examples_of_the_help_work(tmp_path: Path) -> None:
    """As they stand there, on files of these names."""
    written(tmp_path / "events.log", registration(1), running(2))
    dumped = f"DG.ARRIVED=20260101000001.000000 {registration(1)}"
    (tmp_path / "dump.log.gz").write_bytes(gzip.compress(dumped.encode()))
    examples = helps.examples(lb_event.command)
    assert len(examples) == 6
    for example in examples:
        assert helps.works(example, tmp_path, {"glite-lb-event": "ui.lb_event"}), example
