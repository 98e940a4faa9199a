"""The one guarded door for XML: every document that comes from outside is parsed here.

What it stops, in order:

1. size: more bytes than allowed (memory),
2. charset tricks: only encodings on a short list, so that step 3 sees the same characters as the parser,
3. DOCTYPE, refused before the parser sees it: no entities (expansion bombs, files, URLs), no defaults,
4. malformed text, depth over 256 and single texts over 10 MB (the parser's own limits).

The network is never touched.
"""

import re
from typing import Any, BinaryIO

from lxml import etree

DEFAULT_LIMIT = 32 * 1024 * 1024
"""Bytes of one document. A feed of 200 jobs with sandbox files in it stays below (jp.md 2.10)."""

HEAD = 1024
"""Bytes in which a streamed document must have begun its root element: SOAP envelopes do, and prologs are short."""

_CHARSETS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "us-ascii", "ascii": "us-ascii",
    "iso-8859-1": "iso-8859-1", "latin1": "iso-8859-1", "latin-1": "iso-8859-1",
    "iso-8859-2": "iso-8859-2", "iso-8859-15": "iso-8859-15", "windows-1252": "windows-1252",
}  # fmt: skip
"""Encodings that share the ASCII bytes; UTF-16 is recognised by its byte order mark."""

_DECLARATION = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([^"'>]{0,60})["'][^>]*\?>""")
_XML_DECLARATION = re.compile(rb"<\?xml\s[^>]*\?>")
_MARK = b"<?begin?>"
_PROLOG = re.compile(rb"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_ROOT = re.compile(rb"<[A-Za-z_:\x80-\xff]")
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class XmlRefused(Exception):
    """The document was not let in. The text says why and is safe to show to the sender."""


def parse(source: bytes | BinaryIO, *, charset: str | None = None, limit: int = DEFAULT_LIMIT) -> etree._Element:
    """The root element of a document.

    `charset` is the one named by the transport, which outranks the document's own declaration (RFC 7303);
    comments and processing instructions are left out. Raises XmlRefused.
    """
    data = source if isinstance(source, bytes) else source.read(limit + 1)
    if len(data) > limit:
        raise XmlRefused(f"document over {limit} bytes")
    data, encoding = _open(data, charset)
    try:
        root = etree.fromstring(data, _parser(encoding))
    except etree.XMLSyntaxError as error:
        raise _malformed(error) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise XmlRefused("DOCTYPE is not allowed")
    return root


class GrowingTree:
    """A document that is parsed piece by piece, whose beginning can be read and dropped while the end is to come.

    The same guards as `parse`, without the limit on the size of the whole: the consumer deletes what it has read,
    so memory stays flat however long the document is. Whatever is the last child of its parent may be incomplete
    until `close`. Processing instructions, which SOAP forbids, are refused.

    lxml's own way, an event for the end of each element, calls back for every element of the document and takes
    twice the time. Here one processing instruction, put in front by us, gives access to the tree.
    """

    def __init__(self) -> None:
        self._head: bytes = b""
        self._parser: etree.XMLPullParser | None = None
        self._mark: etree._Element | None = None

    def feed(self, data: bytes) -> None:
        """Parse some more. Raises XmlRefused."""
        if self._parser is None:
            self._head += data
            if len(self._head) >= HEAD:
                self._start()
        else:
            self._parse(self._parser, data)

    def close(self) -> None:
        """Say that there is no more. Raises XmlRefused when the document is not complete."""
        parser = self._parser or self._start()
        try:
            parser.close()
        except etree.XMLSyntaxError as error:
            raise _malformed(error) from None

    @property
    def root(self) -> etree._Element | None:
        """The root element, None when it has not begun."""
        return None if self._mark is None else self._mark.getnext()

    def _start(self) -> etree.XMLPullParser:
        data, encoding = _open(self._head, None)
        declaration = _XML_DECLARATION.match(data)
        begin = declaration.end() if declaration else 0
        options = {**_OPTIONS, "remove_pis": False}
        self._parser = etree.XMLPullParser(events=("pi",), encoding=encoding, **options)
        self._parser.feed(data[:begin] + _MARK)
        for _, mark in self._parser.read_events():
            assert isinstance(mark, etree._Element)
            self._mark = mark
        self._parse(self._parser, data[begin:])
        self._head = b""
        return self._parser

    @staticmethod
    def _parse(parser: etree.XMLPullParser, data: bytes) -> None:
        try:
            parser.feed(data)
            for _ in parser.read_events():
                raise XmlRefused("processing instructions are not allowed")
        except etree.XMLSyntaxError as error:
            raise _malformed(error) from None


_OPTIONS: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "remove_comments": True,
    "remove_pis": True,
    "huge_tree": False,
}


def _parser(encoding: str | None) -> etree.XMLParser:
    return etree.XMLParser(encoding=encoding, **_OPTIONS)


def _open(data: bytes, charset: str | None) -> tuple[bytes, str | None]:
    """Steps 2 and 3: the bytes for the parser and the encoding to impose on it (None: as declared)."""
    if data[:2] in _UTF16_MARKS:
        data = _from_utf16(data, charset)
        encoding: str | None = "utf-8"
    else:
        data = data.removeprefix(_UTF8_MARK)
        encoding = _encoding(data, charset)
    begin = _PROLOG.match(data)
    if begin is not None and data[begin.end() : begin.end() + 9] == b"<!DOCTYPE":
        raise XmlRefused("DOCTYPE is not allowed")
    if not data.strip():
        raise XmlRefused("the document is empty")
    if begin is None or not _ROOT.match(data, begin.end()):
        raise XmlRefused("not XML: no root element where it should begin")
    return data, encoding


def _encoding(data: bytes, charset: str | None) -> str | None:
    declared = _DECLARATION.match(data)
    name = charset or (declared[1].decode("latin-1") if declared else None)
    if name is None:
        return None
    known = _CHARSETS.get(name.strip().strip("\"'").lower())
    if known is None:
        raise XmlRefused(f"unknown charset {name[:40]!r}")
    return known


def _from_utf16(data: bytes, charset: str | None) -> bytes:
    if charset is not None and not charset.lower().startswith("utf-16"):
        raise XmlRefused(f"the bytes are UTF-16, the charset given is {charset[:40]!r}")
    try:
        text = data.decode("utf-16")
    except UnicodeDecodeError:
        raise XmlRefused("bad UTF-16") from None
    return re.sub(r"^<\?xml[^>]*\?>", "", text).encode("utf-8", "replace")


def _malformed(error: etree.XMLSyntaxError) -> XmlRefused:
    text = (error.msg or "no element found").removesuffix(" (<string>, line 1)")
    return XmlRefused(f"not well-formed XML: {text}")
