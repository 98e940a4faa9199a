"""The checks of a single job: each mistake has a class, a line and an attribute."""

import pytest

from wms.jdl import JdlError, JdlKind, check, parse, problems

K = JdlKind
GOOD = 'Executable = "/bin/ls";\n'
FULL = """[
  Type = "Job"; JobType = "Normal";
  Executable = "slice.py"; Arguments = "--axis x"; StdInput = "volume.nii";
  StdOutput = "std.out"; StdError = "std.err"; Prologue = "before.sh"; PrologueArguments = "1";
  InputSandbox = { "slice.py", "/data/volume.nii", "https://host:7443/x/before.sh" };
  OutputSandbox = { "std.out", "std.err", "dir/pic-*.png" };
  Environment = { "A=1", "B=x y" };
  RetryCount = 0; ShallowRetryCount = -1; CpuNumber = 2; HostNumber = 1;
  InputData = { "lfn:/x" }; DataAccessProtocol = { "gsiftp" };
  OutputData = { [ OutputFile = "o"; LogicalFileName = "lfn:/o" ] };
  Requirements = other.GlueCEInfoTotalCPUs > 1; Rank = -other.GlueCEStateWaitingJobs;
  UserTags = [ project = "demo"; axis = "x" ]; UserContact = "me@example.org"; LBAddress = "lb.example.org:9000";
  SomethingElse = 3;
]"""


def test_a_full_description_is_accepted() -> None:
    check(parse(FULL))
    check(parse('Executable = "/bin/ls"; Environment = "A=1"; Requirements = true; Rank = 1'))


@pytest.mark.parametrize(
    "addition, kind, attribute, words",
    [
        ("RetryCount = -1;", K.SYNTAX, "RetryCount", "value cannot be less than 0"),
        ('RetryCount = "3";', K.MISMATCH, "RetryCount", 'an integer is needed, not "3"'),
        ("RetryCount = true;", K.MISMATCH, "RetryCount", "an integer"),
        ("RetryCount = 1 / 0;", K.MISMATCH, "RetryCount", "cannot be computed"),
        ("ShallowRetryCount = -2;", K.SYNTAX, "ShallowRetryCount", "less than -1"),
        ("CpuNumber = 0;", K.SYNTAX, "CpuNumber", "value must be greater than 0"),
        ("Arguments = { 1 };", K.MISMATCH, "Arguments", "a string"),
        ("FuzzyRank = 1;", K.MISMATCH, "FuzzyRank", "true or false"),
        ('Requirements = "other.X == 1";', K.MISMATCH, "Requirements", "an expression"),
        ("Requirements = 3.5;", K.MISMATCH, "Requirements", "an expression"),
        ("Rank = { 1 };", K.MISMATCH, "Rank", "an expression"),
        ("UserTags = { 1 };", K.MISMATCH, "UserTags", "a record"),
        ("UserTags = [ a = 1 ];", K.MISMATCH, "UserTags", "tag a must be a string"),
        ('Environment = { "A" };', K.MISMATCH, "Environment", "NAME=value"),
        ("Environment = { 1 };", K.MISMATCH, "Environment", "a list of strings"),
        ('StdInput = "in.txt";', K.MANDATORY, "StdInput", "(inside InputSandbox)"),
        ('StdInput = "d/in.txt";', K.SYNTAX, "StdInput", "relative path"),
        ('StdOutput = "../out";', K.SYNTAX, "StdOutput", "must not leave"),
        ('StdOutput = "a/out"; StdError = "b/out";', K.DUPLICATE, "StdError", "overwrite"),
        ('EpilogueArguments = "x";', K.GROUP, "EpilogueArguments", "arguments without a script"),
        ('InputSandboxBaseURI = "/x";', K.MISMATCH, "InputSandboxBaseURI", "'://'"),
        ('InputSandbox = { "a/x", "b/x" };', K.DUPLICATE, "InputSandbox", "same file name"),
        ('InputSandbox = { "a/" };', K.SYNTAX, "InputSandbox", "names no file"),
        ('InputSandbox = { "a" }; InputSandboxDestFileName = { "b", "c" };', K.SYNTAX, "InputSandboxDestFileName", "1"),
        ('InputSandbox = "a"; InputSandboxDestFileName = "../b";', K.SYNTAX, "InputSandboxDestFileName", "plain"),
        ('OutputSandbox = { "a", "d/a" };', K.DUPLICATE, "OutputSandbox", "named twice"),
        ('OutputSandbox = { "../a" };', K.SYNTAX, "OutputSandbox", "no file of the job's directory"),
        ('OutputSandbox = { "a" }; OutputSandboxDestURI = {};', K.SYNTAX, "OutputSandboxDestURI", "0 destinations"),
        ('OutputSandbox = { "*" }; OutputSandboxDestURI = { "x" };', K.GROUP, "OutputSandboxDestURI", "wildcards"),
        ("SMPGranularity = 1; HostNumber = 1;", K.GROUP, "HostNumber", "exclude each other"),
        ('InputData = { "x" }; DataAccessProtocol = "file";', K.MISMATCH, "InputData", "lfn:"),
        ('InputData = { "lfn:x" };', K.GROUP, "InputData", "DataAccessProtocol is needed"),
        ("OutputData = { [ StorageElement = \"x\" ] };", K.MANDATORY, "OutputData", "OutputFile"),
        ('UserContact = "me";', K.MISMATCH, "UserContact", "'@'"),
        ('LBAddress = "https://lb:9000";', K.MISMATCH, "LBAddress", "host:port"),
        ("Rank = other.DataAccessCost + 1;", K.SYNTAX, "Rank", "the whole"),
        ('Type = "collection";', K.UNAVAILABLE, "Type", "not available in this release"),
        ('Type = "dag";', K.UNAVAILABLE, "Type", "not available in this release"),
        ('JobType = "parametric";', K.UNAVAILABLE, "JobType", "not available in this release"),
        ('JobType = { "normal", "mpich" };', K.SYNTAX, "JobType", "Composite Job Type not yet supported"),
        ('JobType = "checkpointable";', K.MANDATORY, "JobType", "Checkpointable Jobs are Deprecated"),
        ('JobType = "odd";', K.SYNTAX, "JobType", "unknown JobType"),
        ('ZippedISB = { "a.tar.gz" };', K.UNAVAILABLE, "ZippedISB", "not available"),
    ],
)
def test_each_mistake_names_class_line_and_attribute(
    addition: str, kind: JdlKind, attribute: str, words: str
) -> None:
    with pytest.raises(JdlError) as caught:
        check(parse(f"{GOOD}{addition}"))
    assert (caught.value.kind, caught.value.line, caught.value.attribute) == (kind, 2, attribute)
    assert words in caught.value.message


@pytest.mark.parametrize(
    "text, kind, words",
    [
        ("", K.MANDATORY, "mandatory attribute is missing"),
        ('Executable = "";', K.MANDATORY, "missing or empty"),
        ('Executable = "a.sh"; InputSandbox = { "b.sh" };', K.MANDATORY, "'a.sh' is missing (inside InputSandbox)"),
        ('Executable = "bin/a.sh";', K.SYNTAX, "relative path"),
        ('Executable = "/bin/l*";', K.SYNTAX, "wildcards"),
    ],
)
def test_the_executable_is_absolute_or_travels_along(text: str, kind: JdlKind, words: str) -> None:
    with pytest.raises(JdlError) as caught:
        check(parse(text))
    assert (caught.value.kind, caught.value.attribute) == (kind, "Executable")
    assert words in caught.value.message


def test_all_mistakes_are_told_at_once_in_reading_order() -> None:
    jdl = parse('RetryCount = -1;\nExecutable = "x";\nEnvironment = { "A" };')
    assert len(problems(jdl)) == 3
    with pytest.raises(JdlError) as caught:
        check(jdl)
    text = str(caught.value)
    assert text.index("line 1") < text.index("line 2") < text.index("line 3")


@pytest.mark.parametrize("address", ["lb.example.org:65536", "lb:99999", "lb:9000/../x", "lb:\u0669", "lb 1"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    [problem] = problems(parse(f'{GOOD} LBAddress = "{address}";'))
    assert (problem.kind, problem.attribute) == (K.MISMATCH, "LBAddress")


def test_more_tags_than_can_be_logged_at_once_are_refused() -> None:
    tags = "; ".join(f't{i} = "v"' for i in range(501))
    [problem] = problems(parse(f"{GOOD} UserTags = [ {tags} ];"))
    assert (problem.kind, problem.attribute) == (K.SYNTAX, "UserTags")


@pytest.mark.parametrize("name", ["RetryCount", "JobType", "Environment"])
def test_a_function_that_the_library_gives_up_on_is_a_mismatch(name: str) -> None:
    [problem] = problems(parse(f"{GOOD} {name} = random(0);"))
    assert (problem.kind, problem.attribute) == (K.MISMATCH, name)
