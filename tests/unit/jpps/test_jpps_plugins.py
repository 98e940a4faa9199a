"""Plug-ins and files that are not what they should be: what is told is told, nothing breaks, memory stays small."""

import gzip
import io
import random
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from jpps.attributes import JDL_NAMESPACE, LB_JDL_NAMESPACE, LB_NAMESPACE, LBTAG_NAMESPACE, Origin, at, text
from jpps.errors import NotFound
from jpps.plugins import interface, registry
from jpps.plugins.classad import ClassAdPlugin
from jpps.plugins.interface import Handle, StoredFile, UnknownAttribute, UnreadableFile
from jpps.plugins.lb import attributes, digest, dump
from jpps.plugins.lb.texts import escape
from jpps.plugins.registry import UnknownPlugin
from unit.jpps.jpps_support import LB_URI, SMALL_DUMP

ALL = registry.load(registry.KNOWN)
EVERY_NAME = [
    *(f"{LB_NAMESPACE}:{name}" for name in attributes._TELLERS), f"{LB_NAMESPACE}:VO", f"{LB_JDL_NAMESPACE}:Executable",
    f"{LBTAG_NAMESPACE}:color",
]


def opened(path: Path, data: bytes, uri: str = LB_URI) -> Handle:
    path.write_bytes(data)
    plugin = next(each for each in ALL.plugins if uri in each.types)
    return plugin.open(StoredFile(uri, "", path, None))


def contents(handle: Handle, name: str) -> list[str]:
    return [value.content for value in handle.attr(name)]


def test_a_small_dump(tmp_path: Path) -> None:
    handle = opened(tmp_path / "lb", SMALL_DUMP)
    told = {name: contents(handle, f"{LB_NAMESPACE}:{name}") for name in ("status", "reason", "user", "finalStatus")}
    assert told == {
        "status": ["Aborted"], "reason": ["no match"], "user": ["/DC=ref/CN=Test User"], "finalStatus": ["Aborted"]
    }
    assert contents(handle, f"{LBTAG_NAMESPACE}:COLOR") == ["green"]
    assert contents(handle, f"{LB_JDL_NAMESPACE}:executable") == ["/bin/true"]
    assert contents(handle, f"{LB_NAMESPACE}:VO") == ["voce"]
    assert contents(handle, f"{LB_NAMESPACE}:ceNode") == []
    with pytest.raises(UnknownAttribute):
        handle.attr(f"{LB_NAMESPACE}:LBserver")


def test_lines_with_the_time_of_arrival(tmp_path: Path) -> None:
    data = b"".join(b"DG.ARRIVED=20260313120000.000001 " + line for line in SMALL_DUMP.splitlines(keepends=True))
    assert contents(opened(tmp_path / "lb", data), f"{LB_NAMESPACE}:status") == ["Aborted"]


def test_a_job_cannot_claim_more_children_than_memory_holds(tmp_path: Path) -> None:
    data = SMALL_DUMP.replace(b'JOBTYPE="SIMPLE"', b'JOBTYPE="DAG"').replace(b'NSUBJOBS="0"', b'NSUBJOBS="2000000000"')
    handle = opened(tmp_path / "lb", data)
    assert contents(handle, f"{LB_NAMESPACE}:childrenNum") == ["2000000000"]
    assert contents(handle, f"{LB_NAMESPACE}:children") == []
    few = opened(tmp_path / "lb", data.replace(b"2000000000", b"2"))
    assert contents(few, f"{LB_NAMESPACE}:children")[0].count("<jobId>") == 2
    assert digest.MAX_CHILDREN >= 10_000


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: b"", "no event"),
        (lambda data: data + b"nonsense\n", "line 5 of the dump"),
        (lambda data: data.replace(b'VALUE="17"', b'VALUE=""'), "line 2 of the dump"),
        (lambda data: data + data.replace(b"/w1", b"/w2"), "several jobs"),
        (lambda data: data.split(b"\n", 1)[1], "registration is not in the dump"),
    ],
)
def test_a_bad_dump_tells_nothing_and_why(tmp_path: Path, change: Callable[[bytes], bytes], reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        opened(tmp_path / "lb", change(SMALL_DUMP))


def test_colon_tags_are_found_without_reading_every_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dump.colon_tags(SMALL_DUMP) == [("http://my/ns:size", "17")]
    monkeypatch.setattr(dump, "read", None)
    assert dump.colon_tags(SMALL_DUMP.replace(b"http://my/ns:size", b"size")) == []


_VALUE = re.compile(rb'([A-Z._]+)=("(?:[^"\\]|\\.)*"|\S+)')
_ODD = [b'""', b'"-1"', b'"99999999999999"', b'"\xff\xfe"', b'"(nil)"', b'"DAG"', b'"CREAM"', b'"https://a/b"',
        b'"\\n"', b"99991231235999.999999", b'"Done"', b'"Cancel"', b'"ReallyRunning"',
        b'"RegJob"', b'"Clear"', b'"Match"']


def disturbed(seed: int) -> bytes:
    """The small dump with a few values exchanged and lines in disorder."""
    luck = random.Random(seed)
    lines = SMALL_DUMP.splitlines(keepends=True)
    for _ in range(luck.randint(1, 3)):
        number = luck.randrange(len(lines))
        match = luck.choice(list(_VALUE.finditer(lines[number])) or [None])
        if match is not None:
            start, end = match.span(2) if luck.random() < 0.7 else match.span()
            lines[number] = lines[number][:start] + luck.choice(_ODD) + lines[number][end:]
        luck.shuffle(lines)
    return b"".join(lines)


def test_whatever_a_dump_holds_it_is_told_or_refused(tmp_path: Path) -> None:
    told = refused = 0
    for seed in range(400):
        try:
            handle = opened(tmp_path / "lb", disturbed(seed))
        except UnreadableFile:
            refused += 1
            continue
        told += 1
        for name in EVERY_NAME:
            for value in handle.attr(name):
                assert text(value.content) == value.content
    assert min(told, refused) > 50


@pytest.mark.parametrize(
    "source", ["b." * 100_000 + "c", "(" * 100_000, "1+" * 30_000 + "1", "", "A = 1; B =", "[", '"'],
    ids=lambda source: source[:8],
)
def test_a_text_that_is_no_classad_is_refused(source: str) -> None:
    with pytest.raises(UnreadableFile):
        ClassAdPlugin().open_text(f"[ a = {source} ]" if source else "blabla")


def test_values_of_classads() -> None:
    ad = ClassAdPlugin().open_text('A = "x"; b = 1 + 2; c = other.x; d = {1, "s"}; e = undefined; f = "1.2+3" ')
    shown = {name: [value.content for value in ad.attr(f"{JDL_NAMESPACE}:{name}")] for name in "aAbcdefg"}
    assert shown == {
        "a": ["x"], "A": ["x"], "b": ["1 + 2"], "c": ["other.x"], "d": ['{ 1,"s" }'], "e": [], "f": ["1.2+3"], "g": [],
    }


ISB = "urn:org.glite.jp.primary:isb"


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def test_only_plain_files_are_members_of_a_sandbox(tmp_path: Path) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    plain = tarfile.TarInfo("../etc/passwd")
    plain.mtime = 1142250576
    handle = opened(tmp_path / "sandbox", tar((link, b""), (plain, b"h\xe9llo\0")), ISB)
    [name] = handle.attr("http://egee.cesnet.cz/en/Schema/JP/ISB:filename")
    assert (name.content, name.time) == ("../etc/passwd", at(1142250576))
    assert contents(handle, "http://egee.cesnet.cz/en/Schema/JP/ISB:content:../etc/passwd") == ["héllo\ufffd"]
    assert contents(handle, "http://egee.cesnet.cz/en/Schema/JP/ISB:content:link") == []
    with pytest.raises(UnknownAttribute):
        handle.attr("http://egee.cesnet.cz/en/Schema/JP/ISB:other")


@pytest.mark.parametrize("seed", range(50))
def test_a_damaged_archive_is_told_or_refused(tmp_path: Path, seed: int) -> None:
    luck = random.Random(seed)
    data = bytearray(tar((tarfile.TarInfo("a"), b"x" * 600), (tarfile.TarInfo("b"), b"y")))
    for _ in range(5):
        data[luck.randrange(len(data))] = luck.randrange(256)
    try:
        handle = opened(tmp_path / "sandbox", bytes(data), ISB)
    except UnreadableFile:
        return
    assert len(contents(handle, "http://egee.cesnet.cz/en/Schema/JP/ISB:filename")) <= 2


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "MAX_DIGESTED", 1000)
    with pytest.raises(UnreadableFile, match="more than 1000 bytes"):
        opened(tmp_path / "lb", gzip.compress(b"\n" * 100_000))


def test_loading() -> None:
    assert [plugin.name for plugin in registry.load().plugins] == ["lb", "sandbox"]
    with pytest.raises(UnknownPlugin):
        registry.load(["lbx"])
    with pytest.raises(NotFound):
        ALL.file_class("urn:nosuch")
    assert ALL.file_class(ISB) == "sandbox"
    assert ALL.of_class("nosuch") is None
    assert ALL.knows(f"{LB_NAMESPACE}:anything")
    assert not ALL.knows("http://my/ns:x")


def test_text_is_always_fit_for_xml() -> None:
    assert text("a\tb\n\x01\ufffe") == "a\tb\n\ufffd\ufffd"
    assert text(b"h\xe9") == text("h\udce9") == "h\xe9"
    assert text("žluť".encode()) == "žluť"
    assert escape("<a b='%'>\x01\n&\"") == "&lt;a b=&apos;%25&apos;&gt;%01%0a&amp;&quot;"
    assert at(10**15).year == 1970
    assert str(Origin.FILE) == "FILE"
