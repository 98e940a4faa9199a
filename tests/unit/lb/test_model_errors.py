"""Bad input: each reader has an error of its own, all of them one root, and all say what and where."""

import importlib
import pkgutil
from collections.abc import Callable

import pytest

import lb.model
from lb.model import acl, eventjson, native, seqcode, times, ulm, wsread
from lb.model.errors import ModelError
from lb.model.jobid import JobId
from lb.model.jobstate import JobState

MODULES = [importlib.import_module(each.name) for each in pkgutil.walk_packages(lb.model.__path__, "lb.model.")]
ERRORS = {
    thing
    for module in MODULES
    for thing in vars(module).values()
    if isinstance(thing, type) and issubclass(thing, Exception) and thing.__module__.startswith("lb.model.")
}


def test_all_errors_have_one_root() -> None:
    assert len(ERRORS) > 9
    assert [error for error in ERRORS if not issubclass(error, ModelError)] == []


@pytest.mark.parametrize(
    ("read", "field", "position"),
    [
        (JobId.parse, "", 0),
        (ulm.parse, "", 0),
        (times.parse_date, "", -1),
        (seqcode.read, "", -1),
        (acl.Acl.parse, "", -1),
        (JobState.load, "", -1),
        (eventjson.from_json, "", 0),
        (native.from_xml, "", -1),
        (wsread.status_from_ws, "state", -1),
        (wsread.event_from_ws, "", -1),
    ],
)
def test_nonsense_is_told_with_code_and_place(read: Callable[[str], object], field: str, position: int) -> None:
    with pytest.raises(ModelError) as caught:
        read("nonsense")
    assert caught.value.code > 0
    assert (caught.value.field, caught.value.position) == (field, position)
