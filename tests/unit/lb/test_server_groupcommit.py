"""Group commit: everything that waits goes together, and a failing batch hurts only the one who is at fault."""

import threading
from collections.abc import Sequence

import pytest

from lb.server.groupcommit import GroupCommit

DEADLINE_S = 60


class Work:
    """Answers item * 10; the first call waits until `gate` is set; an item "bad" makes a batch fail."""

    def __init__(self) -> None:
        self.batches: list[list[object]] = []
        self.started = threading.Event()
        self.gate = threading.Event()

    def __call__(self, items: Sequence[object]) -> list[str]:
        self.batches.append(list(items))
        self.started.set()
        assert self.gate.wait(DEADLINE_S)
        if "bad" in items:
            raise RuntimeError("poison")
        return [f"{item}0" for item in items]


def _run(commits: GroupCommit[object, str], groups: list[list[object]], work: Work) -> list[object]:
    """Submit the first group, then, while it is being committed, all others; return answers or errors in order."""
    results: list[object] = [None] * len(groups)

    def submit(number: int) -> None:
        try:
            results[number] = commits.submit(groups[number])
        except RuntimeError as error:
            results[number] = error

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(len(groups))]
    threads[0].start()
    assert work.started.wait(DEADLINE_S)
    for thread in threads[1:]:
        thread.start()
    waiting = commits._waiting
    deadline = threading.Event()
    while len(waiting) < len(groups) - 1:
        deadline.wait(0.001)
    work.gate.set()
    for thread in threads:
        thread.join(DEADLINE_S)
    return results


def test_what_gathers_during_a_commit_is_committed_together() -> None:
    work = Work()
    groups: list[list[object]] = [[1], [2, 3], [4], [5], [6]]
    results = _run(GroupCommit(work), groups, work)
    assert results == [[f"{item}0" for item in group] for group in groups]
    assert len(work.batches) == 2
    assert sorted(str(item) for item in work.batches[1]) == ["2", "3", "4", "5", "6"]


def test_a_batch_has_a_limit() -> None:
    work = Work()
    results = _run(GroupCommit(work, max_batch=3), [[1], [2, 3], [4, 5], [6]], work)
    assert results == [["10"], ["20", "30"], ["40", "50"], ["60"]]
    assert all(len(batch) <= 3 for batch in work.batches)


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_only_the_one_at_fault_fails(place: int) -> None:
    """Whoever was at work when the batch failed, and whoever tried the bad item again."""
    work = Work()
    groups: list[list[object]] = [[1], [2], [3], [4], [5]]
    groups[place] = ["bad"]
    results = _run(GroupCommit(work), groups, work)
    assert isinstance(results.pop(place), RuntimeError)
    assert results == [[f"{item}0" for item in group] for group in groups if group != ["bad"]]


def test_each_who_is_at_fault_gets_an_error_of_his_own() -> None:
    work = Work()
    results = _run(GroupCommit(work), [[1], ["bad"], ["bad"], [4]], work)
    assert (results[0], results[3]) == (["10"], ["40"])
    assert isinstance(results[1], RuntimeError) and isinstance(results[2], RuntimeError)
    assert results[1] is not results[2]


def test_the_error_of_a_lone_caller_is_his() -> None:
    work = Work()
    work.gate.set()
    commits = GroupCommit[object, str](work)
    with pytest.raises(RuntimeError, match="poison"):
        commits.submit(["bad"])
    assert commits.submit([7]) == ["70"]
    assert commits.submit([]) == []
