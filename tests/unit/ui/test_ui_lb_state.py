"""glite-lb-state: what the facts say of the recorded dumps, what the original server said of the recorded sequences."""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import Result

import helps
from lb.model import eventjson, ulm
from lb.model.corrections import of_case
from lb.model.times import format_date
from lblines import CODE, JOB, done, line, registration, running, written
from lboracle import OK
from lbrecorded import DUMPS, FILES, TRACES, cases
from shared import ROOT, needs_shared
from ui import lb_files, lb_state
from ui.frame import UiError


def state(*arguments: object) -> Result:
    return helps.told(lb_state.command, *arguments)


def objects(*arguments: object) -> list[dict[str, Any]]:
    return [json.loads(each) for each in state("--json", *arguments).stdout.splitlines()]


def program(*arguments: object, octets: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = helps.process("ui.lb_state", *arguments, octets=octets)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


# ---- recorded dumps and traces --------------------------------------------------------------------------------------


@needs_shared
@pytest.mark.parametrize(("name", "span", "owner"), [
    ("dump1.log", "2006-08-31 13:40:44.215599 to 2006-08-31 14:30:19.146435 UTC", "West Bohemia/CN=User 07"),
    ("dump4.log", "2006-09-04 12:34:46.995328 to 2006-09-04 13:04:37.460808 UTC", "Masaryk University/CN=User 05"),
])
def test_the_runs_of_the_challenge(name: str, span: str, owner: str) -> None:
    """provenance-challenge.md 4: 15 nodes done, 312 events, their span; the five procedures by their tags."""
    told = state(DUMPS / name)
    assert told.return_value == 0 and told.stderr == ""
    assert told.stdout.splitlines()[-1] == f"16 jobs, 312 events, {span}"
    assert "DAG" in told.stdout.splitlines()[2] and "15 subjobs: 15 Done" in told.stdout.splitlines()[2]
    dag, *nodes = objects(DUMPS / name)
    assert dag["owner"].endswith(owner) and dag["children_num"] == "15" and len(nodes) == 15
    assert {each["jobId"] for each in nodes} == set(dag["children"])
    for job in (dag, *nodes):
        assert (job["@name"], job["done_code"], job.get("exit_code")) == ("Done", "0", None)
    assert all(each["parent_job"] == dag["jobId"] and each["destination"].startswith("skurut17.cesnet.cz:2119/")
               for each in nodes)
    programs = Counter(dict(each["user_tags"])["ipaw_program"] for each in nodes)
    assert programs == {"align_warp": 4, "reslice": 4, "softmean": 1, "slicer": 3, "convert": 3}
    stages = Counter(dict(each["user_tags"])["ipaw_stage"] for each in nodes)
    assert stages == {"1": 4, "2": 4, "3": 1, "4": 3, "5": 3}


@needs_shared
def test_the_procedures_of_the_challenge_run_one_stage_after_the_other() -> None:
    _, *nodes = objects(DUMPS / "dump4.log")
    ran: dict[str, list[int]] = {}
    for node in nodes:
        ran.setdefault(dict(node["user_tags"])["ipaw_stage"], []).append(node["stateEnterTimes"]["Running"])
    order = [ran[stage] for stage in sorted(ran)]
    assert all(max(before) < min(after) for before, after in zip(order, order[1:], strict=False))


@needs_shared
def test_the_collection() -> None:
    """1,782 events of a collection of 100: the states that the original computed."""
    told = state(TRACES / "perf_collection_avg_events.log")
    assert told.return_value == 0
    assert "101 jobs, 1782 events, " in told.stdout
    assert "COLLECTION  Done     OK, exit 0" in told.stdout.splitlines()[2]
    assert told.stdout.splitlines()[2].endswith("100 subjobs: 78 Done, 22 Cleared")
    [steps] = [each["@history"] for each in objects("--history", TRACES / "perf_collection_avg_events.log")
               if each["jobtype"] == "4"]
    assert [each["state"] for each in steps][:2] == ["Submitted", "Waiting"] and steps[-1]["state"] == "Done"
    assert {each["event"] for each in steps[2:]} == {"CollectionState"}


@needs_shared
def test_traces_without_job_or_user() -> None:
    """All files of the traces: what they lack can be said, and is not made up."""
    names = ("perf_dag_avg_subjobs.reg.log", "perf_dag_avg_subjobs.log")
    files = [TRACES / name for name in names]
    told = state(*files)
    assert told.return_value == 1 and told.stdout == "no jobs\n"
    reason = "Message incomplete, missing or empty field DG.JOBID. (PARSE_MSG_INCOMPLETE 1403)"
    assert told.stderr.startswith(f"{files[0]}:1: {reason}\n")
    assert "17 lines, first at" in told.stderr and "--assume-jobid says which" in told.stderr
    told = state("--assume-jobid", JOB, *files)
    assert told.return_value == 0
    assert "12 jobs, 17 events" in told.stdout and "Cleared    OK, exit 1" in told.stdout
    assert "17 lines" in told.stderr and "--assume-user" in told.stderr
    assert objects("--assume-jobid", JOB, "--assume-user", "/CN=me", *files)[0]["owner"] == "/CN=me"
    told = state("--assume-jobid", JOB, files[1])
    assert told.return_value == 1 and "16 events of 1 job not used: no RegJob of the job is there" in told.stderr


@needs_shared
@pytest.mark.parametrize(("name", "shown"), [
    ("perf_dag_avg", "DAG Done"), ("perf_simple_avg", "SIMPLE Cleared"), ("perf_simple_max", "SIMPLE Aborted"),
])
def test_registrations_apart_from_the_rest(name: str, shown: str) -> None:
    files = [TRACES / f"{name}_events{kind}.log" for kind in (".reg", "")]
    job = objects("--quiet", "--assume-jobid", JOB, *files)[0]
    kinds = {"0": "SIMPLE", "1": "DAG"}
    assert f"{kinds[job['jobtype']]} {job['@name']}" == shown


@needs_shared
@pytest.mark.parametrize(("name", "expected"), [
    ("aborted", "Aborted"), ("cleared", "Cleared"), ("tagged_done", "Done"), ("waiting", "Ready"),
])
def test_sample_jobs(name: str, expected: str) -> None:
    assert [each["@name"] for each in objects(TRACES / f"sample_job_{name}.log")] == [expected]


# ---- the original's statuses ----------------------------------------------------------------------------------------


def differences(theirs: Any, ours: Any) -> set[str]:
    """The attributes that differ; what came from the original's clock may be anything."""
    if theirs is None or ours is None:
        return set() if theirs == ours else {"state"}
    found = {"state" if key == "@name" else key for key in {**theirs, **ours}
             if not _same(theirs.get(key), ours.get(key))}
    children = theirs.get("children_states", ()), ours.get("children_states", ())
    if "children_states" in found and len(children[0]) == len(children[1]):
        found.remove("children_states")
        found.update(*(differences(left, right) for left, right in zip(*children, strict=True)))
    return found


def _same(theirs: Any, ours: Any) -> bool:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return theirs.keys() == ours.keys() and all(_same(theirs[key], ours[key]) for key in theirs)
    return bool(theirs == ours) or theirs == "SERVER-TIME"


def let_in(case: dict[str, Any]) -> str:
    """The lines of a case that the original's store let in: rights are no question here."""
    return "".join(row["ulm"] + "\n" for row in case["events"] if row.get("reply", OK) == OK)


@needs_shared
@pytest.mark.parametrize("name", FILES)
def test_statuses_of_the_original(name: str, tmp_path: Path) -> None:
    """All sequences in the order of their arrival: every status is the original's, but for the named corrections."""
    path = written(tmp_path / "events", *map(let_in, cases(name)))
    ours = {each["jobId"]: each for each in objects("--quiet", path)}
    wrong, compared = {}, 0
    for case in cases(name):
        others = {jobid: other["status"] for jobid, other in case.get("others", {}).items()}
        for jobid, theirs in {case["main"]: case["status"], **others}.items():
            compared += 1
            found = differences(theirs, ours.get(jobid))
            found -= {attribute for correction in of_case(case["name"]) for attribute in correction.touches}
            if found:
                wrong[f"{case['name']} {jobid}"] = found
    print(f"{name}: {len(cases(name))} cases, {compared} statuses")
    assert compared and not wrong


# ---- what is not used is told ---------------------------------------------------------------------------------------


def test_events_of_a_job_that_is_registered_nowhere(tmp_path: Path) -> None:
    told = state(written(tmp_path / "f", running(2), done(3), registration(1, job=f"{JOB}2")))
    assert told.return_value == 1
    assert "1 job, 1 event," in told.stdout
    assert told.stderr == (
        "Warning - 2 events of 1 job not used: no RegJob of the job is there, and a server refuses them as well (job "
        f"not registered); give the file with the registration too, before this one: {JOB} (2 events, first at "
        f"{tmp_path}/f:1)\n")
    assert state("--quiet", tmp_path / "f").stderr == ""


def test_the_order_of_arrival_counts_unless_sorted(tmp_path: Path) -> None:
    path = written(tmp_path / "f", running(3), registration(1), done(5), running(4))
    told = state(path)
    assert told.return_value == 1
    assert "1 event of 1 job not used: they come before the RegJob of their job" in told.stderr
    assert "--sorted takes them" in told.stderr
    [job] = objects("--sorted", "--history", path)
    assert state("--sorted", path).return_value == 0 and state("--sorted", path).stderr == ""
    assert [each["state"] for each in job["@history"]] == ["Submitted", "Running", "Done"]


@needs_shared
@pytest.mark.parametrize("path", [DUMPS / "dump4.log", TRACES / "perf_collection_avg_events.log",
                                  TRACES / "perf_simple_avg_events.log"], ids=lambda path: path.name)
def test_sorted_any_order_of_lines_gives_the_same(path: Path, tmp_path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    expected = {each["jobId"]: each for each in objects("--sorted", path)}
    for seed in range(3):
        Random(seed).shuffle(lines)
        (tmp_path / "f").write_bytes(b"".join(lines))
        found = {each["jobId"]: each for each in objects("--sorted", tmp_path / "f")}
        assert found == expected


@needs_shared
def test_the_order_of_a_dump_can_be_that_of_the_arrival(tmp_path: Path) -> None:
    """A dump goes job by job, subjobs in front here; what the collection passed through, the arrival tells."""
    text = (TRACES / "perf_collection_avg_events.log").read_text(encoding="utf-8", errors="surrogateescape")
    lines = [f"DG.ARRIVED={format_date((1222579482 + number, 0))} {each}\n"
             for number, each in enumerate(text.splitlines()) if "CollectionState" not in each]
    arrived = written(tmp_path / "arrived", *lines)
    dump = written(tmp_path / "dump", *sorted(lines, key=lambda each: each.partition("DG.JOBID=")[2][:60]))
    assert {each["jobId"]: each for each in objects("--history", "--by-arrival", dump)} == {
        each["jobId"]: each for each in objects("--history", arrived)}
    told = state(dump)
    assert told.return_value == 0 and "register subjobs of parents that come later" in told.stderr
    assert "--by-arrival or --sorted sets that right" in told.stderr and state("--by-arrival", dump).stderr == ""
    assert "COLLECTION  Done" in state("--by-arrival", dump).stdout
    assert "COLLECTION  Done" in state("--sorted", dump).stdout


def test_sorting_knows_what_never_comes(tmp_path: Path) -> None:
    told = state("--sorted", written(tmp_path / "f", running(3), registration(1, job=f"{JOB}2")))
    assert told.return_value == 1 and "no RegJob of the job is there" in told.stderr


def test_repeated_events_count_once(tmp_path: Path) -> None:
    path = written(tmp_path / "f", registration(1), running(2))
    told = state(path, path)
    assert told.return_value == 0 and "1 job, 2 events," in told.stdout
    assert f"2 events, first at {path}:1, of those that are there already" in told.stderr


def test_refused_events_are_told_with_the_code(tmp_path: Path) -> None:
    path = written(tmp_path / "f", registration(1, kind="DAG", more='DG.REGJOB.NSUBJOBS="2000000"'))
    told = state(path)
    assert told.return_value == 1 and told.stdout == "no jobs\n"
    assert f"1 event, first at {path}:1, not used: a server refuses them with code 7, a job may have" in told.stderr


def test_events_without_effect_are_told(tmp_path: Path) -> None:
    path = written(tmp_path / "f", registration(1), line("VMRunning", 2, source="VMSystem"))
    told = state(path)
    assert told.return_value == 0 and "1 event, first at" in told.stderr and "no business with its job" in told.stderr


def test_lines_that_are_no_event(tmp_path: Path) -> None:
    path = written(tmp_path / "f", registration(1), "nonsense here\n", "\n", done(2, "FINE"), running(3))
    told = state("--quiet", path)
    assert told.return_value == 1 and "Running" in told.stdout
    assert told.stderr.splitlines() == [
        f"{path}:2: ULM parse error (PARSE_BROKEN_ULM 1401 at character 1)",
        f"{path}:4: Message incomplete, missing or empty field DG.DONE.STATUS_CODE. "
        f"(PARSE_MSG_INCOMPLETE 1403 at character {done(2, 'FINE').index('DG.DONE') + 1})",
    ]


def test_of_many_bad_lines_the_first_are_told_and_the_others_counted(tmp_path: Path) -> None:
    many, few = written(tmp_path / "many", *["bad\n"] * 12), written(tmp_path / "few", "bad\n", registration(1))
    told = state(many, few)
    reasons = [each for each in told.stderr.splitlines() if "PARSE_BROKEN_ULM" in each]
    assert [each.split(": ")[0] for each in reasons] == [*(f"{many}:{number}" for number in range(1, 11)), f"{few}:1"]
    assert told.stderr.splitlines()[10] == f"{many}: 2 more bad lines; --all tells of each"
    assert f"13 lines, first at {many}:1, not used" in told.stderr and "glite-lb-event" in told.stderr
    told = state("--all", many, few)
    assert told.stderr.count("PARSE_BROKEN_ULM") == 13 and "more bad" not in told.stderr
    assert state("--quiet", written(tmp_path / "f", *["bad\n"] * 11)).stderr.count("\n") == 11


def test_that_a_file_cannot_be_read_further_is_told_after_many_bad_lines(tmp_path: Path) -> None:
    path = tmp_path / "f.gz"
    path.write_bytes(gzip.compress(b"bad\n" * 20)[:-8])
    assert "damaged or cut off" in state(path).stderr


def test_events_in_json(tmp_path: Path) -> None:
    """As glite-lb-event writes them; lines of both kinds mix."""
    lines = [registration(1), running(2)]
    parsed = [ulm.parse(each) for each in lines]
    nameless = json.loads(eventjson.to_json(parsed[0], compact=True)) | {"jobId": None}
    path = written(tmp_path / "f", lines[0], eventjson.to_json(parsed[1], compact=True) + "\n",
                   json.dumps(nameless) + "\n", '{"type": "Frob"}\n')
    told = state(path)
    assert f"{JOB} SIMPLE Running".split() == told.stdout.splitlines()[2].split()[:3]
    assert f"{path}:4: " in told.stderr and "1402" in told.stderr
    assert f"1 line, first at {path}:3, not used: no job is named" in told.stderr


@pytest.mark.parametrize(("begin", "remedy"), [
    (b"\xfd7zXZ\0\0", "xz -dc"), (b"BZh91AY&SY", "bzip2 -dc"), (b"\x28\xb5\x2f\xfd", "zstd -dc"),
    (b"PK\x03\x04", "unzip -p"), (("DATE=1\n" * 9).encode("utf-16"), "iconv -f UTF-16"),
])
def test_files_of_another_form(begin: bytes, remedy: str, tmp_path: Path) -> None:
    """They are told once, whatever they hold, and the next file is read."""
    path = tmp_path / "f"
    path.write_bytes(begin + b"\n" * 20 + b"\n".join([b"x"] * 20))
    told = state(path, written(tmp_path / "g", registration(1)))
    assert told.return_value == 1 and told.stdout.splitlines()[-1].startswith("1 job, 1 event")
    assert len(told.stderr.splitlines()) == 1 and f"pipe it through {remedy}" in told.stderr


# ---- what is shown --------------------------------------------------------------------------------------------------


def test_the_table(tmp_path: Path) -> None:
    path = written(tmp_path / "f", registration(1, kind="DAG", more='DG.REGJOB.NSUBJOBS="2" DG.REGJOB.SEED="s"'),
                   registration(2, job=f"{JOB}2"), running(3, job=f"{JOB}2"), done(4, "FAILED", job=f"{JOB}2"))
    rows = [row.split() for row in state(path).stdout.splitlines()]
    child = objects(path)[1]["jobId"]
    at = ["2026-01-01", "00:00:01"]
    assert rows[2] == [JOB, "DAG", "Submitted", *at, "2", "subjobs:", "2", "Submitted"]
    assert rows[3] == [child, "SIMPLE", "Submitted", *at]  # subjobs after their parent
    assert rows[5] == [f"{JOB}2", "SIMPLE", "Done", "FAILED", at[0], "00:00:04", "why", "not"]
    assert rows[6] == f"4 jobs, 4 events, {at[0]} 00:00:01.000000 to {at[0]} 00:00:04.000000 UTC".split()
    assert state(path).stdout.splitlines()[3].startswith("  https:")


def test_the_history(tmp_path: Path) -> None:
    path = written(tmp_path / "f", registration(1), running(3), done(5))
    shown = state("--history", path).stdout.splitlines()
    assert shown[0] == f"{JOB} SIMPLE: Done (OK, exit 3)"
    assert [" ".join(row.split()) for row in shown[3:6]] == [
        "Submitted 2026-01-01 00:00:01.000000 2.000 s RegJob UserInterface h",
        "Running 2026-01-01 00:00:03.000000 2.000 s Running LogMonitor h",
        "Done 2026-01-01 00:00:05.000000 Done LogMonitor h",
    ]
    [job] = objects("--history", path)
    assert job["@history"][1] == {"state": "Running", "time": "1767225603.000000", "event": "Running",
                                  "source": "LogMonitor", "host": "h", "seqcode": CODE.format(1, 3)}
    assert list(job)[0] == "@name" and list(job)[-1] == "@history"


def test_the_history_of_a_subjob_begins_with_its_parent(tmp_path: Path) -> None:
    path = written(tmp_path / "f", registration(1, kind="COLLECTION", more='DG.REGJOB.NSUBJOBS="1"'))
    child = objects(path)[1]["jobId"]
    assert "RegJob of the parent" in state("--history", "--job", child, path).stdout
    [job] = objects("--history", "--job", child, path)
    assert job["@history"][0]["jobId"] == JOB
    path = written(path, path.read_text(), running(2, job=child))
    assert f"CollectionState (Running of {child})" in state("--history", "--job", JOB, path).stdout


def test_chosen_jobs(tmp_path: Path) -> None:
    path = written(tmp_path / "f", registration(1), registration(2, job=f"{JOB}2"))
    assert [each["jobId"] for each in objects("-j", f"{JOB}2", path)] == [f"{JOB}2"]
    told = state("--json", "--job", f"{JOB}3", "--job", JOB, path)
    assert told.return_value == 1 and len(told.stdout.splitlines()) == 1
    assert told.stderr == f"{JOB}3: no RegJob of this job is there\n"


def test_control_characters_and_odd_octets(tmp_path: Path) -> None:
    """They do not steer the terminal; in JSON they stand in escapes, which are ASCII."""
    reason = "\x1b[2J\0 \udcff ö"
    fields = f'DG.ABORT.REASON="{reason}"'
    path = written(tmp_path / "f", registration(1), line("Abort", 2, fields, source="WorkloadManager"))
    told = state(path)
    assert "\\x1b[2J\\x00 \\xff ö" in told.stdout and "\x1b" not in told.stdout
    raw = program("--json", path).stdout
    assert raw.isascii() and json.loads(raw)["reason"] == reason


# ---- files ----------------------------------------------------------------------------------------------------------


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    text = "".join((registration(1), running(2)))
    (tmp_path / "f.log").write_bytes(gzip.compress(text.encode()) + gzip.compress(done(3).encode()))
    assert [each["@name"] for each in objects(tmp_path / "f.log")] == ["Done"]
    told = program("--json", "-", octets=(tmp_path / "f.log").read_bytes())
    assert told.returncode == 0 and json.loads(told.stdout)["@name"] == "Done"


def test_a_damaged_gzip_file_gives_what_it_holds(tmp_path: Path) -> None:
    text = "".join(registration(1, job=f"{JOB}{number}") for number in range(2000))
    (tmp_path / "f.gz").write_bytes(gzip.compress(text.encode())[:-200])
    path = written(tmp_path / "g", registration(1))
    told = state(tmp_path / "f.gz", path)
    assert told.return_value == 1 and f"{JOB} " in told.stdout and f"{JOB}0 " in told.stdout
    assert "cannot be read from here on" in told.stderr and "damaged or cut off" in told.stderr


def test_line_ends_and_prefixes(tmp_path: Path) -> None:
    text = f"DG.ARRIVED=20260101000009.000000 {registration(1)}DG.LLLID=123 {running(2)}{done(3).rstrip()}"
    for octets in (text.encode(), text.replace("\n", "\r\n").encode(), b"\n  \n" + text.encode()):
        (tmp_path / "f").write_bytes(octets)
        assert [each["@name"] for each in objects(tmp_path / "f")] == ["Done"]


def test_a_logger_says_who_wrote_the_line(tmp_path: Path) -> None:
    path = written(tmp_path / "f", f'DG.LLLID=7 DG.USER="/CN=he" {registration(1, user=None)}')
    assert objects(path)[0]["owner"] == "/CN=he"


def test_what_is_supplied_is_for_lines_without_it(tmp_path: Path) -> None:
    path = written(tmp_path / "f", registration(1), running(2, job=None), registration(1, job=f"{JOB}2", user=None))
    first, second = objects("--assume-jobid", f"{JOB}2", "--assume-user", "/CN=she", path)[:2]
    assert (first["owner"], second["owner"]) == ("/CN=me", "/CN=she")
    path = written(tmp_path / "f", registration(1), running(2).replace(JOB, "no id"))
    told = state("--assume-jobid", JOB, path)
    assert told.return_value == 1 and "missing or empty field DG.JOBID" in told.stderr


def test_an_overlong_line_is_told_and_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lb_files, "LONGEST", 2000)
    monkeypatch.setattr(lb_files, "BUFFER", 100)
    path = written(tmp_path / "f", registration(1), "x" * 3000 + "\n", "y" * 1998 + "\r\n", running(2))
    told = state("--quiet", "--json", path)
    assert [each.split(" (")[0] for each in told.stderr.splitlines()] == [
        f"{path}:2: ULM parse error: the line is longer than {ulm.MAX_LINE} octets", f"{path}:3: ULM parse error"]
    assert json.loads(told.stdout)["@name"] == "Running"


def test_empty_files(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    told = state(tmp_path / "f")
    assert (told.return_value, told.stdout, told.stderr) == (0, "no jobs\n", "")
    assert state("--json", tmp_path / "f").stdout == ""


@pytest.mark.parametrize(("arguments", "code", "words"), [
    ((), 2, "Missing argument 'FILE...'"),
    (("/no/such/file",), 1, "/no/such/file is not there; check the name"),
    (("/usr",), 1, "/usr is a directory; name the files in it, for instance /usr/*"),
    (("/proc/self/mem",), 1, "/proc/self/mem:1: cannot be read from here on: Input/output error"),
    (("--assume-jobid", "x", "-"), 2, "not a job id"),
    (("--job", "x", "-"), 2, "not a job id"),
    (("--sorted", "--by-arrival", "-"), 2, "exclude one another"),
])
def test_wrong_usage_and_files_that_cannot_be_read(arguments: Sequence[str], code: int, words: str) -> None:
    told = program(*arguments)
    assert told.returncode == code and words in told.stderr and "Traceback" not in told.stderr


def test_a_file_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(UiError, match="f cannot be read: permission denied; ask its owner"):
        state(written(tmp_path / "f", registration(1)))


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    text = "".join(registration(1, job=f"{JOB}{number}") for number in range(2000))
    path = written(tmp_path / "f", text)
    for options in ("", "--json", "--history"):
        done = subprocess.run(f"{sys.executable} -m ui.lb_state {options} {path} | head -n 1", shell=True, cwd=ROOT,
                              capture_output=True, text=True, check=False)
        assert len(done.stdout.splitlines()) == 1 and done.stderr == ""
    for closed in (f"{path} >&-", "- <&-"):
        done = subprocess.run(f"{sys.executable} -m ui.lb_state {closed}", shell=True, cwd=ROOT, capture_output=True,
                              text=True, check=False)
        assert "Traceback" not in done.stderr
    done = subprocess.run(f"{sys.executable} -m ui.lb_state {path} > /dev/full", shell=True, cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "No space left on device" in done.stderr and "Traceback" not in done.stderr


def test_another_encoding_of_the_terminal(tmp_path: Path) -> None:
    path = written(tmp_path / "f", registration(1), line("Abort", 2, 'DG.ABORT.REASON="ö ✓"', source="WorkloadManager"))
    done = subprocess.run([sys.executable, "-m", "ui.lb_state", str(path)], cwd=ROOT, capture_output=True,
                          env=os.environ | {"PYTHONIOENCODING": "latin-1"}, check=False)
    assert done.returncode == 0 and b"\xf6 \\u2713" in done.stdout


def test_progress_is_for_terminals_and_long_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lb_files, "LINES_A_LOOK", 4)
    path = written(tmp_path / "f", registration(1), *map(running, range(2, 20)))
    assert "reading" not in state(path).stderr
    monkeypatch.setattr(lb_files, "PATIENCE_S", -1.0)
    monkeypatch.setattr(lb_files.Meter, "wanted", staticmethod(lambda: True))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert "reading" in state(path).stderr
    assert "reading" not in state("--quiet", path).stderr


# ---- help -----------------------------------------------------------------------------------------------------------


def test_the_examples_of_the_help_work(tmp_path: Path) -> None:
    """As they stand there, on files of these names."""
    named = JOB.replace("/job", "/abc...")
    written(tmp_path / "dump.log", registration(1, job=named), done(2, job=named))
    written(tmp_path / "dump-1.log", registration(1))
    (tmp_path / "dump-2.log.gz").write_bytes(gzip.compress(registration(1, job=f"{JOB}2").encode()))
    written(tmp_path / "trace.log", registration(1, job=None, user=None))
    examples = helps.examples(lb_state.command)
    assert len(examples) == 5
    for example in examples:
        assert helps.works(example, tmp_path, {"glite-lb-state": "ui.lb_state"}), example
