"""All operations of all services: each says who may call it, and the documentation says what is available."""

import pytest

from docs import generate
from gsi.authz import Access

ROWS = list(generate.rows())


def test_no_port_is_forgotten() -> None:
    """9 + 6 of Job Provenance, 12 of LB, 33 of WMProxy; the delegation ports beside (jp.md 1, lb.md 6, wms.md 1.2)."""
    count: dict[str, int] = {}
    for row in ROWS:
        count[row.service] = count.get(row.service, 0) + 1
    assert count["Primary Storage"] == 9
    assert count["Index Server"] == 6
    assert count["Logging and Bookkeeping"] == 12
    assert count["WMProxy"] == 33
    assert count["Delegation 1"] == 6
    assert count["Delegation 2"] == 9


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.service}-{row.operation}")
def test_every_operation_declares_who_may_call_it(row: generate.Row) -> None:
    assert row.access
    assert all(isinstance(access, Access) for access in row.access)
    if Access.ANYONE in row.access:
        assert "ersion" in row.operation, "only versions are told to everybody"


def test_the_documentation_is_up_to_date() -> None:
    assert (generate.ROOT / "docs" / "operations.md").read_text() == generate.operations_document(), "run `make docs`"
    text = (generate.ROOT / "README.md").read_text()
    assert generate.readme(text) == text, "run `make docs`"
