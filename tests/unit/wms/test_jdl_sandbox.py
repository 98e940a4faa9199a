"""Where the input sandbox files are, on the client's and on the service's side; what is added to a description."""

import os
from pathlib import Path

import classad2
import pytest

from wms.config import WMS_REQUIREMENTS
from wms.jdl import (
    JdlError,
    add_requirements,
    apply_client_defaults,
    apply_service_defaults,
    collect_local_files,
    parse,
    resolve_input_sandbox,
)

BASE = "https://wms:7443/SandboxDir/ab/https_3a"


def sandbox(*items: str, more: str = "") -> str:
    return f"InputSandbox = {{ {', '.join(f'{chr(34)}{item}{chr(34)}' for item in items)} }}; {more}"


def test_the_client_lists_local_files_and_writes_their_places_down(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "c.txt", "d.dat"):
        (tmp_path / name).write_text(name)
    jdl = parse(sandbox("*.py", "c.txt", "$HERE/d.dat", "https://host/x.nii"))
    files = collect_local_files(jdl, tmp_path, {"HERE": str(tmp_path)})
    assert [(file.name, file.size_bytes) for file in files] == [("a.py", 4), ("b.py", 4), ("c.txt", 5), ("d.dat", 5)]
    paths = [str(tmp_path / name) for name in ("a.py", "b.py", "c.txt", "d.dat")]
    assert jdl.strings("InputSandbox") == [*paths, "https://host/x.nii"]


def test_braces_and_file_uris_are_local_too(tmp_path: Path) -> None:
    (tmp_path / "a.x").touch()
    (tmp_path / "b.x").touch()
    jdl = parse(sandbox("{a,b}.x", f"file://{tmp_path}/a.x"))
    assert [file.name for file in collect_local_files(jdl, tmp_path)] == ["a.x", "b.x", "a.x"]


@pytest.mark.parametrize(
    "item, words",
    [("gone", "does not exist"), ("*.none", "matches no file"), ("dir", "no regular file"), ("$NO/x", "not set")],
)
def test_a_file_that_cannot_travel_is_named(tmp_path: Path, item: str, words: str) -> None:
    (tmp_path / "dir").mkdir()
    with pytest.raises(JdlError, match="line 1, column 1, attribute InputSandbox") as caught:
        collect_local_files(parse(sandbox(item)), tmp_path, {})
    assert words.replace("no regular", "not a regular") in caught.value.message


def test_two_files_of_one_name_after_expansion_are_refused(tmp_path: Path) -> None:
    for directory in ("x", "y"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "f").touch()
    with pytest.raises(JdlError, match="the same file name"):
        collect_local_files(parse(sandbox("*/f")), tmp_path)


def test_a_base_uri_makes_relative_items_remote_but_not_absolute_ones(tmp_path: Path) -> None:
    (tmp_path / "abs").touch()
    more = 'InputSandboxBaseURI = "gsiftp://se/dir/"'
    jdl = parse(sandbox("rel", f"{tmp_path}/abs", "https://h/z", more=more))
    assert [file.name for file in collect_local_files(jdl, tmp_path)] == ["abs"]
    resolve_input_sandbox(jdl, BASE)
    assert jdl.strings("InputSandbox") == ["gsiftp://se/dir/rel", f"{BASE}/input/abs", "https://h/z"]
    assert jdl.strings("InputSandboxDestFileName") == ["rel", "abs", "z"]


def test_the_service_makes_every_local_item_a_uri_below_its_own_base() -> None:
    jdl = parse(sandbox("a.sh", "/home/u/b.dat", "file:///c d", more='InputSandboxDestFileName = { "x", "y", "z" }'))
    resolve_input_sandbox(jdl, BASE)
    assert jdl.strings("InputSandbox") == [f"{BASE}/input/a.sh", f"{BASE}/input/b.dat", f"{BASE}/input/c%20d"]
    assert jdl.strings("InputSandboxDestFileName") == ["x", "y", "z"]


def test_requirements_are_anded_with_their_own_brackets() -> None:
    jdl = parse("Requirements = a || b")
    add_requirements(jdl, "c || d")
    assert jdl.expression("Requirements") == "(a || b) && (c || d)"
    empty = parse("")
    add_requirements(empty, "c || d")
    assert empty.expression("Requirements") == "c || d"


def test_the_client_fills_in_what_the_user_left_out() -> None:
    jdl = parse('Executable = "/bin/ls"; Requirements = other.X > 1; RetryCount = 1')
    apply_client_defaults(jdl, virtual_organisation="testvo")
    assert jdl.expression("Requirements") == '(other.X > 1) && (other.GlueCEStateStatus == "Production")'
    assert jdl.expression("Rank") == "-other.GlueCEStateEstimatedResponseTime"
    assert (jdl.integer("RetryCount"), jdl.integer("ShallowRetryCount")) == (1, 3)
    assert jdl.string("VirtualOrganisation") == "testvo"


def test_the_service_adds_what_follows_from_other_attributes() -> None:
    jdl = parse('Type = "JOB"; CpuNumber = 5; HostNumber = 2; HLRLocation = "hlr:1"; Environment = "A=1"')
    apply_service_defaults(jdl)
    assert (jdl.string("Type"), jdl.string("JobType")) == ("job", "normal")
    assert jdl.strings("Environment") == ["A=1", "HLR_LOCATION=hlr:1"]
    requirements = jdl.expression("Requirements") or ""
    assert "other.GlueCEInfoTotalCPUs >= 5" in requirements
    assert "other.GlueHostArchitectureSMPSize >= 3" in requirements


@pytest.mark.parametrize(
    "job, ce, matches",
    [
        ("", "", True),
        ("", 'GlueCEAccessControlBaseRule = { "VO:other" };', False),
        ("", 'GlueCEAccessControlBaseRule = { "/CN=u" };', True),
        ("ShortDeadlineJob = true;", "", False),
        ("ShortDeadlineJob = true;", 'GlueCEUniqueID = "h:1/cream-local-sdj";', True),
        ("", 'GlueCEUniqueID = "h:1/cream-local-sdj";', False),
        ("", "GlueCEPolicyMaxTotalJobs = 5;", True),
        ("", "GlueCEPolicyMaxTotalJobs = 3;", False),
        ("", "GlueCEPolicyMaxTotalJobs = 0;", True),
        ("EnableWmsFeedback = true;", "", True),
        ("EnableWmsFeedback = true;", 'GlueCEImplementationName = "LCG-CE";', False),
        ('OutputSE = "se1";', "", False),
        ('OutputSE = "se1";', 'GlueCESEBindGroupSEUniqueID = { "se1" };', True),
    ],
)
def test_the_deployed_requirements_decide_as_documented(job: str, ce: str, matches: bool) -> None:
    element = parse(
        'GlueCEUniqueID = "h:1/cream-local-q"; GlueCEStateTotalJobs = 3; GlueCEImplementationName = "CREAM";'
        ' GlueCEAccessControlBaseRule = { "VO:testvo" };'
    )
    for name in (changes := parse(ce)):
        element.set_expression(name, changes.expression(name) or "")
    request = parse(f'VirtualOrganisation = "testvo"; CertificateSubject = "/CN=u"; {job}')
    add_requirements(request, WMS_REQUIREMENTS)
    # The library asks whether the right one's requirements accept the left one.
    assert classad2.ClassAd(element.text()).matches(request.ad()) is matches


def test_wildcards_in_environment_variables_expand(tmp_path: Path) -> None:
    (tmp_path / "one.txt").touch()
    jdl = parse(sandbox("${D}/*.txt"))
    assert [file.name for file in collect_local_files(jdl, Path(os.sep), {"D": str(tmp_path)})] == ["one.txt"]
