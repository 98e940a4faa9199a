"""The tag file: the original's bytes, and no acknowledged record is ever lost."""

import gzip
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpps import tags
from jpps.tags import Tag

WHEN = datetime(2006, 3, 13, 11, 49, 36, tzinfo=UTC)


def test_the_bytes_are_those_of_the_original(tmp_path: Path) -> None:
    path = tmp_path / "tags"
    tags.append(path, [Tag("http://my/ns:t1", "red", WHEN)])
    body = b"http://my/ns:t1\0" + b"1142250576 S\0" + b"red"
    assert path.read_bytes() == b"\x74\xc0\x16\xf2" + struct.pack(">I", len(body)) + body


def test_a_missing_file_has_no_tags(tmp_path: Path) -> None:
    assert tags.read(tmp_path / "tags") == []


def test_appending_keeps_order_and_kinds(tmp_path: Path) -> None:
    path = tmp_path / "tags"
    recorded = [Tag("a", "", WHEN), Tag("b", b"\0\xff\n", WHEN), Tag("a", "žluť\nx", WHEN), Tag("c", b"", WHEN)]
    for tag in recorded:
        tags.append(path, [tag])
    assert tags.read(path) == recorded


def test_a_file_that_the_original_compressed_is_read_and_continued(tmp_path: Path) -> None:
    path = tmp_path / "tags"
    tags.append(path, [Tag("a", "1", WHEN)])
    path.write_bytes(gzip.compress(path.read_bytes()))
    tags.append(path, [Tag("a", "2", WHEN)])
    assert [tag.content for tag in tags.read(path)] == ["1", "2"]


@pytest.mark.parametrize("kept", range(30))
def test_a_record_cut_short_by_a_crash_is_dropped_and_overwritten(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "tags"
    tags.append(path, [Tag("first", "1", WHEN)])
    whole = path.stat().st_size
    tags.append(path, [Tag("second", "a rather long value", WHEN)])
    with path.open("r+b") as file:
        file.truncate(whole + kept)
    assert [tag.name for tag in tags.read(path)] == ["first"]
    tags.append(path, [Tag("third", "3", WHEN)])
    assert [tag.name for tag in tags.read(path)] == ["first", "third"]


@pytest.mark.parametrize("start", [b"", b"\x74", b"\x74\xc0\x16"])
def test_a_file_whose_creation_was_cut_short_is_empty(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "tags"
    path.write_bytes(start)
    assert tags.read(path) == []
    tags.append(path, [Tag("a", "1", WHEN)])
    assert len(tags.read(path)) == 1


@pytest.mark.parametrize(
    "data",
    [b"something else", b"\x1f\x8bbroken", tags.MAGIC + b"\0\0\0\3abc", tags.MAGIC + b"\0\0\0\7a\x001 X\0v"],
    ids=["magic", "gzip", "no fields", "kind"],
)
def test_a_damaged_file_is_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "tags"
    path.write_bytes(data)
    with pytest.raises(tags.TagFileError):
        tags.read(path)


_NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)
_CONTENTS = st.text(st.characters(exclude_categories=("Cs", "Cc"))) | st.binary()


@given(st.lists(st.tuples(_NAMES, _CONTENTS), max_size=5))
def test_what_is_recorded_comes_back(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("tags") / "tags"
    recorded = [Tag(name, content, WHEN) for name, content in pairs]
    tags.append(path, recorded)
    assert tags.read(path) == recorded
