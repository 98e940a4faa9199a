"""The LB contract files: made from the tables, loadable by zeep and gSOAP, true to what the original sends."""

from pathlib import Path
from typing import Any

import pytest
import zeep
from lxml import etree

import gsoap
import soap.contract
from captures import envelopes
from gsoap import needs_gsoap
from lb.model import machine, ulm, ws, wsdl
from lb.model.events import EVENTS
from lb.model.jobid import JobId
from lb.model.jobstate import JobState
from lb.model.wsdl_tables import OPERATIONS
from lbrecorded import cases
from shared import ROOT, needs_shared

WSDL = ROOT / "wsdl"
XSD = "{http://www.w3.org/2001/XMLSchema}"


@pytest.mark.parametrize("name", sorted(wsdl.FILES))
def test_files_are_what_the_tables_say(name: str) -> None:
    assert (WSDL / name).read_text(encoding="utf-8") == wsdl.FILES[name](), "run: python -m lb.model.wsdl wsdl"


def test_zeep_loads_all_operations() -> None:
    client = zeep.Client(str(WSDL / "LB.wsdl"))  # type: ignore[no-untyped-call]
    assert set(client.service._operations) == {operation.name for operation in OPERATIONS}
    assert len(OPERATIONS) == 12


def test_every_event_type_has_its_element() -> None:
    tree = etree.parse(str(WSDL / "LBTypes.wsdl"))
    choice = tree.find(f".//{XSD}complexType[@name='event']/{XSD}choice")
    assert choice is not None
    assert [element.get("name") for element in choice] == list(EVENTS)


def schema(tmp_path: Path) -> etree.XMLSchema:
    """The two schemas of the contract as files that import each other."""
    for name in wsdl.FILES:
        root = etree.parse(str(WSDL / name)).find(f".//{XSD}schema")
        assert root is not None
        text = etree.tostring(root).replace(b'types/lb"/>', b'types/lb" schemaLocation="LBTypes.wsdl.xsd"/>')
        (tmp_path / f"{name}.xsd").write_bytes(text)
    return etree.XMLSchema(file=str(tmp_path / "LB.wsdl.xsd"))


@needs_shared
@pytest.mark.parametrize("name", ["20-ws-jobstat-9003.txt", "21-ws-joblog-9003.txt", "22-ws-getversion-9003.txt"])
def test_what_the_original_sent_is_valid(name: str, tmp_path: Path) -> None:
    checker = schema(tmp_path)
    bodies = [etree.fromstring(raw)[0][0] for raw in envelopes(name)]
    assert len(bodies) == 2
    for body in bodies:
        if etree.QName(body).localname == "QueryEvents":
            # The original's client leaves the second list out although its contract asks for one element at least.
            body.append(
                etree.fromstring("<eventConditions><attr>LEVEL</attr><record><op>LESS</op></record></eventConditions>")
            )
        checker.assertValid(body)


@pytest.mark.real
@needs_gsoap
def test_gsoap_makes_c_that_compiles(tmp_path: Path) -> None:
    gsoap.run("wsdl2h", "-c", "-o", "lb.h", WSDL / "LB.wsdl", folder=tmp_path)
    gsoap.run("soapcpp2", "-c", "-C", "lb.h", folder=tmp_path)
    gsoap.run("gcc", "-c", "soapC.c", "soapClient.c", folder=tmp_path)
    assert (tmp_path / "soapClient.o").exists()


@needs_shared
def test_all_recorded_events_and_their_statuses_fit_the_contract(tmp_path: Path) -> None:
    """Whatever the model holds can be sent: our codec writes it, the schema accepts it, our codec reads it back."""
    contract = soap.contract.load("LB")
    checker, sent = schema(tmp_path), []
    jobs: dict[JobId, JobState] = {}
    rows = [row for case in cases("generated-other") for row in case["events"] if row.get("reply", 0) == 0]
    for row in rows[::3]:
        event = ulm.parse(row["ulm"])
        jobs[event.jobid] = machine.apply(jobs.get(event.jobid) or machine.new_status(event.jobid), event)
        sent.append(ws.event_to_ws(event, contract.types))
    states = [ws.status_to_ws(job.status, contract.types) for job in jobs.values() if job.status.state != "Undefined"]
    answers: list[tuple[str, str, list[Any], dict[str, Any]]] = [
        ("QueryEvents", "events", sent, {}),
        ("UserJobs", "states", states, {"jobs": ["x"]}),
    ]
    for name, member, records, others in answers:
        message = contract.operations[name].output
        body = contract.encoder(message.type_name)(message.record(**{**others, member: records}))
        element = etree.fromstring(f'<lbe:{name}Response xmlns:lbe="{wsdl.ELEMENTS}">{body}</lbe:{name}Response>')
        checker.assertValid(element)
        assert getattr(contract.decoder(message.type_name)(element), member) == records
    assert len(sent) > 2000
