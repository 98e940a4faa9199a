"""Several threads, one transaction: what waits together is committed together.

A durable commit costs a disk flush, an event costs little beside it. Each thread puts its items into a queue and waits
for the right to commit; whoever gets it takes everything that has gathered, so that one flush serves all. A thread that
is alone commits at once: nothing is ever delayed in order to gather more.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

#: Most items of one transaction: bounds the time that others wait and the memory of one batch.
MAX_BATCH: Final = 500


class _Group(Generic[Item, Answer]):
    """The items of one caller; `answers` is set when they are on disk. `alone`: a batch with others has failed."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.answers: list[Answer] | None = None
        self.alone = False


class GroupCommit(Generic[Item, Answer]):
    """Hands items of many threads to `work`, which answers each, in order, after one durable commit."""

    def __init__(self, work: Callable[[Sequence[Item]], list[Answer]], max_batch: int = MAX_BATCH) -> None:
        self._work = work
        self._max_batch = max_batch
        self._waiting: deque[_Group[Item, Answer]] = deque()
        self._condition = threading.Condition()
        self._committing = False

    def submit(self, items: Sequence[Item]) -> list[Answer]:
        """Handle the items, together with those of other threads; returns when they are on disk.

        Raises what `work` raised: then nothing of the batch was stored. Only the thread that was at work gets it; the
        others, whose items may be without fault, each try again alone.
        """
        if not items:
            return []
        group = _Group[Item, Answer](items)
        with self._condition:
            self._waiting.append(group)
        while group.answers is None:
            if batch := self._next_batch(group):
                self._commit(batch, group)
        return group.answers

    def _next_batch(self, own: _Group[Item, Answer]) -> list[_Group[Item, Answer]]:
        """Wait until our items are done (an empty batch) or until it is our turn to commit what has gathered."""
        with self._condition:
            while self._committing and own.answers is None:
                self._condition.wait()
            if own.answers is not None:
                return []
            self._committing = True
            return self._take()

    def _take(self) -> list[_Group[Item, Answer]]:
        taken = [self._waiting.popleft()]
        size = len(taken[0].items)
        while self._waiting and not taken[0].alone and not self._waiting[0].alone:
            size += len(self._waiting[0].items)
            if size > self._max_batch:
                break
            taken.append(self._waiting.popleft())
        return taken

    def _commit(self, groups: list[_Group[Item, Answer]], own: _Group[Item, Answer]) -> None:
        answers: list[Answer] | None = None
        try:
            answers = self._work([item for group in groups for item in group.items])
        finally:
            with self._condition:
                if answers is None:
                    self._abandon(groups, own)
                else:
                    _hand_out(groups, answers)
                self._committing = False
                self._condition.notify_all()

    def _abandon(self, groups: list[_Group[Item, Answer]], own: _Group[Item, Answer]) -> None:
        """The batch failed: its caller leaves with the error, everybody else goes back to the front of the queue."""
        others = [group for group in groups if group is not own]
        for group in others:
            group.alone = True
        self._waiting.extendleft(reversed(others))
        if own in self._waiting:
            self._waiting.remove(own)


def _hand_out(groups: list[_Group[Item, Answer]], answers: list[Answer]) -> None:
    position = 0
    for group in groups:
        group.answers = answers[position : position + len(group.items)]
        position += len(group.items)
