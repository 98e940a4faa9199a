"""Debian's wsdl2h and soapcpp2 turn every contract into C that compiles."""

from pathlib import Path

import pytest

from gsoap import compile_stubs, generate, needs_gsoap
from soap import contract

CONTRACTS = ["JobProvenancePS", "JobProvenanceIS", "LB", "WMProxy", "WMProxy-gridsite-delegation-1.0.0",
             "WMProxy-gridsite-delegation-2.0.0", "delegation-1.1.0"]


@pytest.mark.real
@needs_gsoap
@pytest.mark.parametrize("name", CONTRACTS)
def test_contract_becomes_c(name: str, tmp_path: Path) -> None:
    said = generate(tmp_path, [name])
    assert "error" not in said.lower().replace("on error", "")
    compile_stubs(tmp_path)
    header = (tmp_path / "soapStub.h").read_text()
    for port in contract.load(name).ports.values():
        for operation in port.operations:
            assert f"__{operation}(" in header
