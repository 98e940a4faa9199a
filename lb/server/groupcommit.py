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
    """The items of one caller, and what became of them.

    answers: set when they are on disk; error: why they are not; alone: a batch with others has failed, so these items
    are tried without others.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.answers: list[Answer] | None = None
        self.error: Exception | None = None
        self.alone = False

    @property
    def settled(self) -> bool:
        return self.answers is not None or self.error is not None


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

        Raises what `work` raised for these items: then none of them was stored. When a batch of several callers fails,
        the items of each are tried again alone: only who is at fault gets an error.
        """
        if not items:
            return []
        group = _Group[Item, Answer](items)
        with self._condition:
            self._waiting.append(group)
        while batch := self._next_batch(group):
            self._commit(batch)
        if group.error is not None:
            raise group.error
        assert group.answers is not None
        return group.answers

    def _next_batch(self, own: _Group[Item, Answer]) -> list[_Group[Item, Answer]]:
        """Wait until our items are settled (an empty batch) or until it is our turn to commit what has gathered."""
        with self._condition:
            while self._committing and not own.settled:
                self._condition.wait()
            if own.settled:
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

    def _commit(self, groups: list[_Group[Item, Answer]]) -> None:
        answers: list[Answer] | None = None
        failure: Exception = RuntimeError("the thread that was at work has been ended")
        try:
            answers = self._work([item for group in groups for item in group.items])
        except Exception as error:  # noqa: BLE001  (handed to the thread whose items these are)
            failure = error
        finally:
            with self._condition:
                if answers is not None:
                    _hand_out(groups, answers)
                elif len(groups) == 1:
                    groups[0].error = failure
                else:
                    self._separate(groups)
                self._committing = False
                self._condition.notify_all()

    def _separate(self, groups: list[_Group[Item, Answer]]) -> None:
        """The batch failed: back to the front of the queue, each alone."""
        for group in groups:
            group.alone = True
        self._waiting.extendleft(reversed(groups))


def _hand_out(groups: list[_Group[Item, Answer]], answers: list[Answer]) -> None:
    position = 0
    for group in groups:
        group.answers = answers[position : position + len(group.items)]
        position += len(group.items)
