"""The door for XML: what is let in, whole or in pieces, and what is not."""

import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from guarded import xml
from guarded.xml import GrowingTree, XmlRefused

ITEMS = "".join(f"<item><n>{number}</n></item>\n" for number in range(500))
DOCUMENT = f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- head -->\n<list>\n{ITEMS}<end/></list>\n'.encode()


def read_pieces(pieces: Iterator[bytes]) -> tuple[list[str], int]:
    """The numbers of the items, and the most children that were in the tree at a time."""
    tree = GrowingTree()
    found: list[str] = []
    most = 0

    def take(last: int | None) -> None:
        nonlocal most
        root = tree.root
        if root is not None:
            most = max(most, len(root))
            whole = list(root)[:last]
            found.extend(str(child.findtext("n")) for child in whole if child.tag == "item")
            del root[: len(whole)]

    for piece in pieces:
        tree.feed(piece)
        take(-1)
    tree.close()
    take(None)
    return found, most


@given(st.integers(1, 4000))
def test_growing_tree_gives_all_children_whatever_the_pieces(size: int) -> None:
    found, most = read_pieces(DOCUMENT[i : i + size] for i in range(0, len(DOCUMENT), size))
    assert found == [str(number) for number in range(500)]
    assert most <= 4000 // 15 + 60


@pytest.mark.parametrize("document", [
    b"", b"  ", b"hello", b"<a>", b"<a></b>", b"<!DOCTYPE a><a/>", b"<a>&x;</a>", b"<a><?php x?></a>", b"<?php x?><a/>",
    b"<a/><?php x?>", b"<!-- " + b"x" * 2000, b'<?xml version="1.0" encoding="klingon"?><a/>', b"<a/><b/>",
    b"<a>" * 300 + b"</a>" * 300, b"<a>\xff</a>",
])  # fmt: skip
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_growing_tree_refuses(document: bytes, size: int) -> None:
    with pytest.raises(XmlRefused):
        read_pieces(document[i : i + size] for i in range(0, len(document), size))


def test_doctype_far_behind_a_prolog_is_refused_too() -> None:
    document = b"<!-- " + b"x" * 5000 + b" --><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"
    with pytest.raises(XmlRefused, match="DOCTYPE"):
        xml.parse(document)
    with pytest.raises(XmlRefused):
        read_pieces(iter([document]))
    with pytest.raises(XmlRefused):
        read_pieces(document[i : i + 64] for i in range(0, len(document), 64))


def test_document_in_utf_16_grows_too() -> None:
    tree = GrowingTree()
    tree.feed("\ufeff<a>ž</a>".encode("utf-16-le"))
    tree.close()
    assert tree.root is not None
    assert tree.root.text == "ž"


def test_limits_of_size_and_depth() -> None:
    with pytest.raises(XmlRefused, match="over 100 bytes"):
        xml.parse(b"<a>" + b"x" * 100 + b"</a>", limit=100)
    with pytest.raises(XmlRefused, match="over 100 bytes"):
        xml.parse(io.BytesIO(b"<a>" + b"x" * 100 + b"</a>"), limit=100)
    assert len(xml.parse(b"<a>" * 250 + b"</a>" * 250)) == 1
    with pytest.raises(XmlRefused, match="not well-formed"):
        xml.parse(b"<a>" + b"x" * 11_000_000 + b"</a>")


def test_file_and_bytes_alike() -> None:
    assert etree.tostring(xml.parse(io.BytesIO(b"<a/>"))) == etree.tostring(xml.parse(b"<a/>"))


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_parsed(data: bytes) -> None:
    for document in (data, b"<a>" + data + b"</a>", b'<?xml version="1.0"?>' + data):
        try:
            xml.parse(document)
        except XmlRefused as refused:
            assert len(str(refused)) < 300


@given(st.text(max_size=60), st.sampled_from([None, "utf-8", "UTF-16", "latin1", "x" * 100, '"utf-8"']))
def test_any_charset_is_refused_or_used(text: str, charset: str | None) -> None:
    try:
        xml.parse(f"<a>{text}</a>".encode("utf-8", "replace"), charset=charset)
    except XmlRefused as refused:
        assert len(str(refused)) < 300
