"""The store port: messages of the store protocol over TLS become stored events (lb.md 5.3).

A connection stays open for any number of messages. A sender may send several before it reads the first answer: what has
arrived together is stored together.
"""

import errno
import logging
import time
from collections.abc import Sequence
from typing import Final

from gsi.peer import Peer
from httpg.server import Connection
from lb.server.store import Store
from lb.storeproto import IL_PROTO, Decoder, Oversized, ProtocolError, Reply, decode_event, encode_reply, failure

log = logging.getLogger(__name__)

#: Largest message that is stored, in bytes: what the original's database takes (max_allowed_packet 17M, lb.md 12.2).
MAX_MESSAGE: Final = 16 << 20
#: Silence between messages after which the connection is closed, s: senders open a new one.
IDLE_S: Final = 120.0
#: Time for one message to arrive once it has begun, s (request time-out of the original, lb.md 12.1).
MESSAGE_S: Final = 120.0
#: What a message is called in the metrics.
OPERATION: Final = "store"
_READ_SIZE: Final = 64 * 1024


class StoreProtocol:
    """Serves connections of the store port. Thread-safe: one object for all connections of a worker."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, connection: Connection, peer: Peer | None) -> None:
        """Serve one connection until it ends."""
        decoder = Decoder(MAX_MESSAGE)
        deadline = time.monotonic() + IDLE_S
        while received := connection.recv(_READ_SIZE, deadline, idle=decoder.idle):
            was_idle = decoder.idle
            try:
                messages = list(decoder.feed(received))
            except ProtocolError as error:
                log.info("%s speaks no store protocol: %s", connection.peer_address[0], error)
                connection.sendall(encode_reply(failure(IL_PROTO, f"store protocol error: {error}")))
                return
            if messages:
                started = time.perf_counter()
                replies = self._answer(messages, peer)
                connection.sendall(b"".join(map(encode_reply, replies)))
                _count(connection, replies, time.perf_counter() - started)
            if messages or was_idle:
                deadline = time.monotonic() + (IDLE_S if decoder.idle else MESSAGE_S)

    def _answer(self, messages: Sequence[bytes | Oversized], peer: Peer | None) -> list[Reply]:
        read = [_read(message) for message in messages]
        stored = iter(self._guarded([line for line in read if isinstance(line, bytes)], peer))
        return [next(stored) if isinstance(item, bytes) else item for item in read]

    def _guarded(self, lines: Sequence[bytes], peer: Peer | None) -> list[Reply]:
        """Store the lines; one that breaks the server takes no other with it, and its sender keeps it."""
        try:
            return self._store.store(lines, peer)
        except Exception:  # noqa: BLE001 - the one guard of this port: it logs and answers
            if len(lines) > 1:
                return [reply for line in lines for reply in self._guarded([line], peer)]
            log.exception("an event could not be stored")
            return [failure(errno.EIO, "internal error, try again later")]


def _count(connection: Connection, replies: Sequence[Reply], seconds: float) -> None:
    """For the metrics: each message, with its share of what they took together; status: 0 or the LB code."""
    accounts = connection.accounts
    if accounts.counting:
        share = seconds / len(replies)
        received, sent = connection.received // len(replies), connection.sent // len(replies)
        for reply in replies:
            accounts.request(OPERATION, str(reply.code), share, received, sent)
        connection.received = connection.sent = 0


def _read(message: bytes | Oversized) -> bytes | Reply:
    """The event line of a message, or the answer to a message without one."""
    if isinstance(message, Oversized):
        return failure(IL_PROTO, f"a message of {message.size} bytes is over {MAX_MESSAGE}")
    try:
        return decode_event(message)
    except ProtocolError as error:
        return failure(IL_PROTO, f"store protocol error: {error}")
