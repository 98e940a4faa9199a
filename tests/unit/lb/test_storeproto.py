"""The store protocol: framing byte for byte as captured, replies, bad bytes."""

import errno
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.storeproto import (
    IL_PROTO,
    MAX_BODY,
    OK,
    Decoder,
    Major,
    Oversized,
    ProtocolError,
    Reply,
    decode_event,
    decode_reply,
    encode_event,
    encode_reply,
    failure,
)
from shared import SHARED, needs_shared

CAPTURES = SHARED / "captures" / "lb-native"
_ENTRY = re.compile(rb"##### [0-9.]+ pid=\d+ (WRITE|READ) len=(\d+) [^\n]*\n")


def _exchange(name: str) -> list[tuple[str, bytes]]:
    """The (direction, bytes) of a capture."""
    recorded = (CAPTURES / name).read_bytes()
    return [
        (match[1].decode(), recorded[match.end() : match.end() + int(match[2])]) for match in _ENTRY.finditer(recorded)
    ]


EXCHANGES = [
    ("01-register-direct-9001.txt", OK),
    ("17-register-duplicate.txt", OK),
    ("18-register-duplicate-exclusive.txt", Reply(700, 17, "Job with given jobid already exists. Rejecting event.")),
    ("55-reregister-zombie-excl.txt", Reply(700, 17, "Zombie job with given jobid already exists. Rejecting event.")),
]


@needs_shared
@pytest.mark.parametrize(("name", "reply"), EXCHANGES)
def test_captured_exchange_is_read_and_written_byte_for_byte(name: str, reply: Reply) -> None:
    (sent_by, request), (read_by, answer) = _exchange(name)
    assert (sent_by, read_by) == ("WRITE", "READ")
    (body,) = Decoder().feed(request)
    assert isinstance(body, bytes)
    line = decode_event(body)
    assert line.startswith(b"DATE=") and b'DG.EVNT="RegJob"' in line and not line.endswith(b"\n")
    assert encode_event(line) == request
    (body,) = Decoder().feed(answer)
    assert isinstance(body, bytes)
    assert decode_reply(body) == reply
    assert encode_reply(reply) == answer


@given(
    st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line and b"\0" not in line), max_size=5),
    st.integers(1, 40),
)
def test_any_cutting_of_the_stream_gives_the_same_messages(lines: list[bytes], step: int) -> None:
    stream = b"".join(map(encode_event, lines))
    decoder = Decoder()
    found = []
    for start in range(0, len(stream), step):
        found += [decode_event(body) for body in decoder.feed(stream[start : start + step]) if isinstance(body, bytes)]
    assert found == lines
    assert decoder.idle


@given(st.sampled_from(list(Major)), st.integers(0, 2000), st.text(max_size=40))
def test_replies_come_back(major: Major, minor: int, text: str) -> None:
    reply = Reply(major, minor, text.encode("utf-8", "replace").decode())
    (body,) = Decoder().feed(encode_reply(reply))
    assert isinstance(body, bytes)
    assert decode_reply(body) == reply


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_a_message_or_a_protocol_error(data: bytes) -> None:
    try:
        for body in Decoder().feed(data):
            if isinstance(body, bytes):
                decode_event(body)
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"             -12\n",
        b"            1x23\n",
        b"                \n",
        b"1234567890123456x",
        b"%16d\n" % (MAX_BODY + 1),
    ],
)
def test_a_bad_header_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(Decoder().feed(data))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"6 michal",
        b"6 michel\n5 hello\n",
        b"6 michal\n9 short\n",
        b"6 michal\n2 longer\n",
        b"-1 x\n",
        b"6 michal\n",
        b"99999999999999999999999999 x\n",
    ],
)
def test_a_bad_body_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_event(body)


@pytest.mark.parametrize("body", [b"", b"0\n", b"0\n0\n", b"x\n0\n2 OK\n", b"0\n0\n3 OK\n"])
def test_a_bad_reply_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_reply(body)


def test_an_oversized_body_is_passed_over_and_the_next_one_is_read() -> None:
    decoder = Decoder(limit=100)
    stream = encode_event(b"x" * 200) + encode_event(b"short")
    found = [message for start in range(0, len(stream), 7) for message in decoder.feed(stream[start : start + 7])]
    assert found == [Oversized(200 + len(b"6 michal\n") + len(b"201 \n\n")), b"6 michal\n6 short\n\n"]
    assert decoder.idle


@pytest.mark.parametrize(
    ("code", "major", "minor", "final"),
    [
        (0, 0, 0, True),
        (errno.ENOMEM, 200, 0, False),
        (errno.EPERM, 600, 0, True),
        (IL_PROTO, 400, 0, True),
        (1403, 400, 1403, True),
        (errno.EEXIST, 700, errno.EEXIST, False),
        (errno.ENOENT, 700, errno.ENOENT, True),
        (errno.EIO, 700, errno.EIO, False),
    ],
)
def test_errors_map_as_the_original_does(code: int, major: int, minor: int, final: bool) -> None:
    reply = failure(code, "why")
    assert (reply.major, reply.minor, reply.final) == (major, minor, final)
    assert reply.code == code
