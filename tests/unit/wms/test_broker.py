"""Matching: requirements, the operator's conditions, rank and its draws, previous hosts, SubmitTo, reasons."""

import random
from collections import Counter
from pathlib import Path

import pytest

from wms.broker import HelperError, RankingError, UnavailableError, match, why_not
from wms.broker.functions import fqan_member
from wms.broker.reasons import conjuncts
from wms.infosys import ComputingElement, compose
from wms.infosys.ldif import records
from wms.jdl import Jdl, parse

USER = '/DC=org/DC=example/CN=Test User'
CLUSTER = """\
dn: GlueClusterUniqueID={host},o=grid

dn: GlueSubClusterUniqueID={host},GlueClusterUniqueID={host},o=grid
GlueHostMainMemoryRAMSize: 2048
GlueHostApplicationSoftwareRunTimeEnvironment: PYTHON3

"""


def ce(queue: str, host: str = "a.example.org", rules: tuple[str, ...] = ("VO:testvo",), **more: object) -> str:
    glue: dict[str, object] = {"StateTotalJobs": 0, "PolicyMaxTotalJobs": 100, "StateEstimatedResponseTime": 10}
    glue |= {"StateFreeCPUs": 4, "ImplementationName": "CREAM"} | more
    lines = [f"dn: GlueCEUniqueID={host}:8443/cream-pbs-{queue},o=grid", f"GlueCEInfoHostName: {host}"]
    lines += [f"GlueForeignKey: GlueClusterUniqueID={host}"]
    lines += [f"GlueCE{name}: {value}" for name, value in glue.items() if value is not None]
    lines += [f"GlueCEAccessControlBaseRule: {rule}" for rule in rules]
    return CLUSTER.format(host=host) + "\n".join(lines) + "\n\n"


def grid(*texts: str) -> list[ComputingElement]:
    return compose(records("".join(texts)))


def job(text: str = "") -> Jdl:
    return parse(f'[ VirtualOrganisation = "testvo"; CertificateSubject = "{USER}"; {text} ]')


def queues(jdl: Jdl, ces: list[ComputingElement], **options: object) -> list[str]:
    return [found.name.queue for found in match(jdl, ces, **options)]  # type: ignore[arg-type]


def test_only_the_requirements_of_the_job_count_and_undefined_is_no_match() -> None:
    ces = grid(ce("big", StateFreeCPUs=9), ce("small", StateFreeCPUs=1), ce("silent", StateFreeCPUs=None))
    assert queues(job("Requirements = other.GlueCEStateFreeCPUs > 3;"), ces) == ["big"]
    assert queues(job("Requirements = other.GlueCEStateFreeCPUs < limit; limit = 3;"), ces) == ["small"]
    assert queues(job("Requirements = 1;"), ces) == []
    assert sorted(queues(job(), ces)) == ["big", "silent", "small"]
    member = 'Requirements = member("python3", other.GlueHostApplicationSoftwareRunTimeEnvironment);'
    assert len(queues(job(member), ces)) == 3


def test_best_rank_first_and_an_element_without_rank_is_dropped() -> None:
    ces = grid(ce("slow", StateEstimatedResponseTime=50), ce("fast", StateEstimatedResponseTime=1), ce("mid"))
    assert queues(job(), ces) == ["fast", "mid", "slow"]
    assert queues(job("Rank = other.GlueCEStateEstimatedResponseTime;"), ces) == ["slow", "mid", "fast"]
    some = grid(ce("ranked"), ce("unranked", StateEstimatedResponseTime=None))
    assert queues(job(), some) == ["ranked"]
    assert [found.rank for found in match(job(), some)] == [-10.0]
    with pytest.raises(RankingError):
        match(job("Rank = other.NoSuchAttribute;"), some)
    with pytest.raises(RankingError):
        match(job('Rank = "high";'), some)


def test_equal_ranks_are_drawn_evenly() -> None:
    ces = grid(ce("a"), ce("b"), ce("c"))
    chance = random.Random(4)
    firsts = Counter(queues(job(), ces, chance=chance)[0] for _ in range(3000))
    assert set(firsts) == {"a", "b", "c"}
    assert all(count > 850 for count in firsts.values())


def test_fuzzy_rank_prefers_the_better_without_excluding_the_worse() -> None:
    ces = grid(ce("good", StateEstimatedResponseTime=1), ce("bad", StateEstimatedResponseTime=9))
    chance = random.Random(4)
    firsts = Counter(queues(job("FuzzyRank = true;"), ces, chance=chance)[0] for _ in range(2000))
    # weights atan(4) + pi/2 and atan(-4) + pi/2, so the good one wins in 92.2 % of the draws
    assert 1780 < firsts["good"] < 1910
    assert firsts["bad"] > 0


def test_previous_hosts_are_avoided_while_others_match() -> None:
    ces = grid(ce("x", "a.example.org"), ce("y", "a.example.org"), ce("z", "b.example.org"))
    assert queues(job(), ces, previous_hosts=["A.example.org"]) == ["z"]
    assert sorted(queues(job(), ces, previous_hosts=["a.example.org", "b.example.org"])) == ["x", "y", "z"]


def test_of_several_views_of_one_element_the_best_counts() -> None:
    view = "dn: GlueVOViewLocalID={0},GlueCEUniqueID=a.example.org:8443/cream-pbs-q,o=grid\n"
    view += "GlueCEAccessControlBaseRule: {1}\nGlueCEStateEstimatedResponseTime: {2}\n\n"
    views = view.format("one", "VO:testvo", 50) + view.format("two", USER, 5) + view.format("three", "VO:other", 1)
    (found,) = match(job(), grid(views, ce("q")))
    assert (found.ceid, found.rank) == ("a.example.org:8443/cream-pbs-q", -5.0)


def test_submit_to_bypasses_matching() -> None:
    (found,) = match(job('SubmitTo = "far.example.org:2119/jobmanager-pbs-q"; Requirements = false;'), [])
    assert (found.ceid, found.host) == ("far.example.org:2119/jobmanager-pbs-q", "far.example.org")
    with pytest.raises(HelperError, match="SubmitTo"):
        match(job('SubmitTo = "nowhere";'), [])


@pytest.mark.parametrize(
    ("rules", "extra", "open_"),
    [
        (("VO:testvo",), "", True),
        (("VO:other",), "", False),
        ((USER,), "", True),
        (("VOMS:/testvo/*",), 'VOMS_FQAN = "/testvo/group";', True),
        (("VOMS:/testvo/Role=admin",), 'VOMS_FQAN = "/testvo";', False),
        (("VO:testvo", "DENY:/testvo/bad"), 'VOMS_FQAN = "/testvo/bad";', False),
        (("VO:testvo", "DENY:/testvo/bad"), 'VOMS_FQAN = "/testvo/good";', True),
        ((), "", False),
    ],
)
def test_access_rules_decide(rules: tuple[str, ...], extra: str, open_: bool) -> None:
    assert bool(match(job(extra), grid(ce("q", rules=rules)))) is open_


def test_the_operators_other_conditions() -> None:
    assert queues(job(), grid(ce("full", StateTotalJobs=100), ce("endless", PolicyMaxTotalJobs=0))) == ["endless"]
    assert queues(job(), grid(ce("xsdj"), ce("normal"))) == ["normal"]
    assert queues(job("ShortDeadlineJob = true;"), grid(ce("xsdj"), ce("normal"))) == ["xsdj"]
    assert queues(job("EnableWmsFeedback = true;"), grid(ce("q", ImplementationName="LCG-CE"))) == []
    bound = "dn: GlueCESEBindGroupCEUniqueID=a.example.org:8443/cream-pbs-near,o=grid\n"
    bound += "GlueCESEBindGroupSEUniqueID: se.example.org\n\n"
    assert queues(job('OutputSE = "SE.example.org";'), grid(bound, ce("near"), ce("far"))) == ["near"]


@pytest.mark.parametrize(
    ("fqan", "rule", "member"),
    [
        ("VOMS:/a/b", "VOMS:/a/b", True),
        ("VOMS:/a/b", "VOMS:/a/*", True),
        ("VOMS:/a/b", "VOMS:/A/b", False),
        ("VOMS:/a/b/Role=NULL", "VOMS:/a/b", True),
        ("VOMS:/a/b", "VOMS:/a/b/Role=NULL", True),
        ("VOMS:/a/b/Role=x", "VOMS:/a/b", False),
        ("VOMS:/a/b/Role=x", "VOMS:/a/*/Role=*", True),
        ("VOMS:/a/b/Role=x/Capability=NULL", "VOMS:/a/b/Role=x", True),
        ("VOMS:/a/b", "DENY:/a/b", False),
        ("/a/b", "/a/b", False),
    ],
)
def test_fqan_member(fqan: str, rule: str, member: bool) -> None:
    assert fqan_member(fqan, [rule]) is member
    assert fqan_member([rule], fqan) is member


def test_fqan_member_in_an_expression_is_computed_per_element() -> None:
    ces = grid(ce("in", rules=("VO:testvo", "VOMS:/testvo/g")), ce("out"))
    text = 'VOMS_FQAN = "/testvo/g"; Requirements = '
    text += 'FQANMember(strcat("VOMS:", VOMS_FQAN), other.GlueCEAccessControlBaseRule)'
    assert queues(job(f"{text};"), ces) == ["in"]
    assert queues(job(f"{text} is false;"), ces) == ["out"]
    with pytest.raises(HelperError, match="two arguments"):
        match(job("Requirements = fqanMember(1);"), ces)


@pytest.mark.parametrize(
    "text",
    ['InputData = { "x" };', "Requirements = anyMatch(other.storage.CloseSEs, true);", "Rank = successFraction();"]
)
def test_what_is_not_built_says_so(text: str) -> None:
    with pytest.raises(UnavailableError, match="not available in this release"):
        match(job(text), grid(ce("q")))


def test_wrong_types_are_told() -> None:
    with pytest.raises(HelperError, match="fuzzy_factor"):
        match(job('FuzzyRank = true; fuzzy_factor = "x";'), grid(ce("q")))
    with pytest.raises(HelperError, match="VirtualOrganisation"):
        match(parse("[ VirtualOrganisation = 5 ]"), grid(ce("q")))


def test_the_reason_names_what_no_element_satisfies() -> None:
    ces = grid(ce("a"), ce("b"), ce("c", rules=("VO:other",)))
    jdl = job('Requirements = (other.GlueCEStateFreeCPUs > 2 && other.GlueCEPolicyMaxCPUTime > 1000) && true;')
    assert match(jdl, ces) == []
    assert why_not(jdl, ces) == (
        "BrokerHelper: no compatible resources"
        " (of 3 computing elements: 2 fail other.GlueCEPolicyMaxCPUTime > 1000, 1 not open to VO:testvo)"
    )
    assert "no computing element is published" in why_not(jdl, [])


def test_requirements_fall_into_their_parts() -> None:
    assert conjuncts('a > 1 && (b == "x && y" && !c) && f(d, e[0])') == ["a > 1", 'b == "x && y"', "!c", "f(d, e[0])"]
    assert conjuncts("a || b && c") == ["a || b && c"]
    assert conjuncts("(a) && (b ? c : d)") == ["a", "b ? c : d"]


def test_matching_many_elements_does_not_leak() -> None:
    ces = grid(*(ce(f"q{i}", f"h{i}.example.org") for i in range(50)))
    jdl = job("Requirements = other.GlueCEStateFreeCPUs > 1 && RegExp(\"cream\", other.GlueCEUniqueID);")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    for _ in range(200):
        match(jdl, ces)
    before = resident()
    for _ in range(1000):
        match(jdl, ces)
    # 50,000 look-ups would leave 7 MB behind
    assert resident() - before < 3 << 20


@pytest.mark.parametrize(
    "requirements",
    [
        "random(0) == 1",  # the library raises where the language has the value error
        'formatTime(1, "%9999999999d") == "x"',
        "deep0 > 0; " + " ".join(f"deep{i} = deep{i + 1} + 1;" for i in range(3000)) + " deep3000 = 1",
        'eval(text); text = "eval(text)"',
        "self_; self_ = self_",
    ],
)
def test_what_the_library_gives_up_on_is_no_match(requirements: str) -> None:
    """Such a job once made the workload manager repeat its step for ever."""
    ces = grid(ce("a"), ce("b"))
    asked = job(f"Requirements = {requirements};")
    assert match(asked, ces) == []
    assert why_not(asked, ces)


@pytest.mark.parametrize("rank", ['real("nan")', 'real("inf")', '-real("inf")', "random(0)"])
def test_a_rank_that_cannot_be_compared_is_none(rank: str) -> None:
    ces = grid(ce("a"), ce("b"))
    with pytest.raises(RankingError):
        match(job(f"Rank = {rank};"), ces)


def test_the_largest_ranks_and_factors_can_be_drawn() -> None:
    ces = grid(ce("a"), ce("b"))
    assert len(match(job("FuzzyRank = true; fuzzy_factor = 1e308; Rank = 1e308;"), ces)) == 2
    with pytest.raises(HelperError):
        match(job('FuzzyRank = true; fuzzy_factor = real("nan");'), ces)
