"""GLUE 1.3 files: the LDIF reader, how computing elements are put together, reading again on change."""

import base64
import logging
import os
from pathlib import Path

import classad2
import pytest

from wms.infosys import CeId, CeIdError, ComputingElement, GlueFile, InfosysError, compose
from wms.infosys.ldif import LdifError, records
from wms.infosys.schema import value_of

ROOT = Path(__file__).resolve().parents[3]
CLUSTER = """\
dn: GlueClusterUniqueID=ce.example.org,mds-vo-name=site,o=grid
GlueClusterUniqueID: ce.example.org
GlueForeignKey: GlueSiteUniqueID=SITE-A

dn: GlueSubClusterUniqueID=sub,GlueClusterUniqueID=ce.example.org,mds-vo-name=site,o=grid
GlueChunkKey: GlueClusterUniqueID=ce.example.org
GlueHostMainMemoryRAMSize: 2048
GlueHostNetworkAdapterOutboundIP: TRUE
GlueHostApplicationSoftwareRunTimeEnvironment: A
GlueHostApplicationSoftwareRunTimeEnvironment: B

"""
CE = """\
dn: GlueCEUniqueID={ceid},mds-vo-name=site,o=grid
objectClass: GlueCE
GlueCEUniqueID: {ceid}
GlueCEInfoHostName: ce.example.org
GlueCEInfoLRMSType: pbs
GlueCEStateTotalJobs: 3
GlueCEPolicyMaxTotalJobs: 10
GlueCEAccessControlBaseRule: VO:alpha
GlueCEAccessControlBaseRule: VO:beta
GlueForeignKey: GlueClusterUniqueID=ce.example.org

"""
CEID = "ce.example.org:8443/cream-pbs-long"


def elements(text: str) -> list[ComputingElement]:
    return compose(records(text))


def test_ldif_joins_folded_lines_and_skips_comments() -> None:
    text = "# a comment\n#  that\n  goes on\nversion: 1\ndn: a=1,\n b=2\nx: one\n  two\n# inside\ny:3\n"
    text += "\n\ndn: c=4\nz: 5\n"
    first, second = records(text)
    assert first.dn == "a=1,b=2"
    assert first.attributes == {"x": ["one two"], "y": ["3"]}
    assert (second.dn, second.line) == ("c=4", 13)


def test_ldif_decodes_base64_and_collects_values_without_regard_to_case() -> None:
    (record,) = records(f"dn:: {base64.b64encode('cn=Jiří'.encode()).decode()}\nMail: a\nmail: b\n")
    assert record.dn == "cn=Jiří"
    assert record.values("MAIL") == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x: 1\n", 1, "begins with 'dn:'"),
        (" folded\n", 1, "no line before"),
        ("dn: a=1\nnonsense\n", 2, "expected 'attribute: value'"),
        ("dn: a=1\nx:: !!!\n", 2, "base64"),
        ("dn: a=1\nx:: /w==\n", 2, "UTF-8"),
        ("dn: a=1\nx:< file:///etc/passwd\n", 2, "URL"),
        ("dn: a=1\nchangetype: delete\n", 2, "change records"),
        ("version: 2\n", 1, "version"),
        ("dn: a=1\nx: " + "a" * (1 << 21) + "\n", 2, "longer"),
    ],
)
def test_ldif_refuses_what_is_none_and_names_the_line(text: str, line: int, words: str) -> None:
    with pytest.raises(LdifError, match=words) as caught:
        list(records(text))
    assert caught.value.line == line


def test_values_follow_the_schema() -> None:
    assert value_of("GlueCEStateFreeCPUs", ["12"]) == 12
    assert value_of("GlueCEStateFreeCPUs", ["many"]) is classad2.Value.Undefined
    assert value_of("GlueCEStateStatus", ["Production"]) == "Production"
    assert value_of("GlueCEInfoGatekeeperPort", ["8443"]) == "8443"
    assert value_of("GlueHostNetworkAdapterOutboundIP", ["TRUE"]) is True
    assert value_of("GlueCEName", ["UNDEFINED"]) is classad2.Value.Undefined
    assert value_of("GlueCEAccessControlBaseRule", ["VO:a"]) == ["VO:a"]


def test_an_element_has_its_cluster_and_what_its_id_says() -> None:
    (ce,) = elements(CLUSTER + CE.format(ceid=CEID))
    assert (ce.entry, ce.ceid, ce.host) == (CEID, CEID, "ce.example.org")
    assert ce.name == CeId("ce.example.org", 8443, "cream", "pbs", "long")
    assert (ce.max_total_jobs, ce.total_jobs) == (10, 3)
    assert ce.access == {"vo:alpha", "vo:beta"}
    assert ce.ad["GlueHostMainMemoryRAMSize"] == 2048
    assert ce.ad["GlueHostApplicationSoftwareRunTimeEnvironment"] == ["A", "B"]
    assert ce.ad["GlueSiteUniqueID"] == "SITE-A"
    assert ce.ad["GlobusResourceContactString"] == "ce.example.org:8443/cream-pbs"
    assert (ce.ad["LRMSType"], ce.ad["QueueName"], ce.ad["CEid"]) == ("pbs", "long", CEID)
    assert ce.ad["PurchasedBy"] == "II_G13_purchaser"
    assert "objectClass" not in ce.ad


def test_close_storage_elements_are_listed() -> None:
    bind = f"""\
dn: GlueCESEBindSEUniqueID=se.example.org,GlueCESEBindGroupCEUniqueID={CEID},o=grid
GlueCESEBindCEUniqueID: {CEID}
GlueCESEBindCEAccesspoint: /storage

dn: GlueCESEBindGroupCEUniqueID={CEID},o=grid
GlueCESEBindGroupSEUniqueID: se.example.org
GlueCESEBindGroupSEUniqueID: SE2.example.org

"""
    (ce,) = elements(CLUSTER + bind + CE.format(ceid=CEID))
    assert ce.storage == {"se.example.org", "se2.example.org"}
    assert classad2.ExprTree("other.CloseStorageElements[0].mount").eval(classad2.ClassAd(), ce.ad) == "/storage"
    assert classad2.ExprTree("other.CloseStorageElements[0].name").eval(classad2.ClassAd(), ce.ad) == "se.example.org"


def test_a_view_is_an_element_of_its_own_and_takes_its_rules_away() -> None:
    view = f"""\
dn: GlueVOViewLocalID=/alpha/Role=x,GlueCEUniqueID={CEID},o=grid
GlueCEAccessControlBaseRule: VO:alpha
GlueCEStateFreeJobSlots: 7
GlueChunkKey: GlueCEUniqueID={CEID}

"""
    first, bare = elements(CLUSTER + view + CE.format(ceid=CEID))
    assert (first.entry, first.ceid) == (f"{CEID}/alpha/Role=x", CEID)
    assert first.access == {"vo:alpha"}
    assert first.ad["GlueCEStateFreeJobSlots"] == 7
    assert bare.entry == CEID
    assert bare.access == {"vo:beta"}
    both = view + view.replace("alpha", "beta")
    assert [ce.entry for ce in elements(CLUSTER + both + CE.format(ceid=CEID))] == [
        f"{CEID}/alpha/Role=x", f"{CEID}/beta/Role=x",
    ]


def test_what_does_not_fit_together_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert elements(CE.format(ceid=CEID)) == []
        assert elements(CLUSTER + CE.format(ceid="no-such-form")) == []
    assert "no cluster with a subcluster" in caplog.text
    assert "the form is <host>:<port>/<x>-<lrms>-<queue>" in caplog.text


@pytest.mark.parametrize("text", ["", "host/x-y-z", "host:1/x-y", "host:x/a-b-c", "h:1/a-b-c d", "h:1/a-b-c\n"])
def test_malformed_ids_are_refused(text: str) -> None:
    with pytest.raises(CeIdError):
        CeId.parse(text)


def test_a_queue_name_may_hold_dashes() -> None:
    assert CeId.parse("h:2119/jobmanager-lcgpbs-very-long").queue == "very-long"
    assert str(CeId.parse("h:2119/jobmanager-lcgpbs-very-long")) == "h:2119/jobmanager-lcgpbs-very-long"


def test_the_file_is_read_again_when_it_changes_and_a_bad_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "glue.ldif"
    glue = GlueFile(path)
    with pytest.raises(InfosysError, match="glue.ldif"):
        glue.ces()
    path.write_text(CLUSTER + CE.format(ceid=CEID))
    first = glue.ces()
    assert [ce.ceid for ce in first] == [CEID]
    assert glue.ces() is first
    replacement = tmp_path / "new"
    replacement.write_text(CLUSTER + CE.format(ceid=CEID) + CE.format(ceid=CEID.replace("long", "short")))
    os.replace(replacement, path)
    second = glue.ces()
    assert len(second) == 2
    path.write_bytes(b"\xff\xfe nonsense")
    with caplog.at_level(logging.WARNING):
        assert glue.ces() is second
    path.unlink()
    assert glue.ces() is second


def test_the_example_file_has_two_queues_for_testvo() -> None:
    ces = GlueFile(ROOT / "etc" / "glue.ldif").ces()
    assert [ce.ceid for ce in ces] == ["localhost:8443/cream-local-short", "localhost:8443/cream-local-long"]
    assert {ce.number("GlueCEPolicyMaxWallClockTime") for ce in ces} == {10, 1440}
    assert all(ce.access == {"vo:testvo"} for ce in ces)
