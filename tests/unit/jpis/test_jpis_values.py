"""The text forms of values in the index (jp.md 2.8) and the ids of attributes (jp.md 3.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpis import attributes, values
from jpis.values import Value


def test_example_of_the_format() -> None:
    value = Value("Done", 7201, "FILE", None)
    assert values.encode(value).full_value == b"S:7201:F::Done"
    assert values.from_full(b"S:7201:F::Done") == value


def test_detail_is_escaped() -> None:
    value = Value("a:b\\c", 5, "FILE", "urn:org.glite.jp.primary:lb \\")
    assert values.encode(value).full_value == rb"S:5:F:urn\:org.glite.jp.primary\:lb \\:a:b\c"
    assert values.from_full(values.encode(value).full_value) == value


@pytest.mark.parametrize(
    ("blob", "text"),
    [(b"", b"="), (b"a", b"YQ="), (b"ab", b"YWI="), (b"abc", b"YWJj="), (b"\xfb\xff\xfe", b"-__-=")],
)
def test_binary_values(blob: bytes, text: bytes) -> None:
    value = Value(blob, 0, "USER", None)
    assert values.encode(value).full_value == b"B:0:U::" + text
    assert values.from_full(values.encode(value).full_value) == value


@given(
    content=st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.binary()),
    epoch=st.integers(-(2**40), 2**40),
    origin=st.sampled_from(["SYSTEM", "USER", "FILE"]),
    detail=st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), min_size=1)),
)
def test_round_trip(content: str | bytes, epoch: int, origin: str, detail: str | None) -> None:
    value = Value(content, epoch, origin, detail)
    assert values.from_full(values.encode(value).full_value) == value


@pytest.mark.parametrize(
    "damaged", [b"", b"S:1:F", b"S:1:F:no end", b"X:1:F::a", b"S:x:F::a", b"S:1:Q::a", b"B:1:F::*=", b"S:1:F::\xff"]
)
def test_damaged_values_are_refused(damaged: bytes) -> None:
    with pytest.raises(values.ValueEncodingError):
        values.from_full(damaged)


def test_index_value_is_cut_by_bytes() -> None:
    assert values.index_value("x" * 300) == b"x" * 255
    assert values.index_value("é" * 200) == "é".encode() * 127 + b"\xc3"
    assert values.index_value(b"anything") == b"XXX"


def test_known_attribute_ids() -> None:
    """The four ids given in jp.md 3.3."""
    assert attributes.attribute_id(attributes.OWNER) == "824794b00ee73be550f893b99ceaa643"
    assert attributes.attribute_id(attributes.JOBID) == "ac1e0e146f3e1bee11d6e40d07e60abb"
    assert attributes.attribute_id(f"{attributes.LB_NAMESPACE}:user") == "474e4207c49813e09915732c80c0e1cc"
    assert attributes.attribute_id(f"{attributes.LB_NAMESPACE}:CE") == "04ffb63c6978549209734fc02e8d688d"
    assert attributes.attribute_id("HTTP://My/NS:s") == attributes.attribute_id("http://my/ns:S")


def test_identity_leaves_the_detail_out() -> None:
    """A value comes with its file the first time and without it later (jp.md 2.8): it is the same value."""
    with_file = values.encode(Value("Done", 7201, "FILE", "urn:org.glite.jp.primary:lb "))
    without = values.encode(Value("Done", 7201, "FILE", None))
    assert with_file.identity == without.identity
    assert with_file.identity != values.encode(Value("Done", 7201, "USER", None)).identity
    assert with_file.identity != values.encode(Value("Done", 7202, "FILE", None)).identity
    assert with_file.identity != values.encode(Value(b"Done", 7201, "FILE", None)).identity
