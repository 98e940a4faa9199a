"""What a worker counts, and how sums are added, sent and not lost."""

import json
import socket
import threading

from hypothesis import given
from hypothesis import strategies as st

from httpg import accounts, reports
from httpg.accounts import BOUNDS_S, BUCKETS, COUNT, RECEIVED, SECONDS, SENT, Accounts, Tally
from httpg.limits import Limits


def one(seconds: float, status: str = "200") -> Tally:
    made = Accounts(Limits(), counting=True)
    made.request("RegisterJob", status, seconds, 10, 20)
    return made.take()


def test_a_request_is_in_the_bucket_of_its_duration() -> None:
    for number, bound in enumerate(BOUNDS_S):
        [sums] = one(bound).requests.values()
        assert sums[BUCKETS + number] == 1, "a bound belongs to the bucket below it (Prometheus: le)"
        assert sum(sums[BUCKETS:]) == sums[COUNT] == 1
        assert (sums[SECONDS], sums[RECEIVED], sums[SENT]) == (bound, 10, 20)
    [sums] = one(1e9).requests.values()
    assert sums[-1] == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["200", "500"]), st.integers(0, 10**6)), max_size=50),
       st.integers(0, 50))
def test_adding_parts_gives_the_same_as_counting_at_once(calls: list[tuple[str, str, int]], cut: int) -> None:
    whole, first, second = (Accounts(Limits(), counting=True) for _ in range(3))
    for number, (operation, status, size) in enumerate(calls):
        for each in (whole, first if number < cut else second):
            each.request(operation, status, 0.5, size, 1)
            each.event("refused", operation)
    total = first.take()
    total.add(second.take())
    expected = whole.take()
    assert total.requests == expected.requests and total.events == expected.events


def test_a_large_tally_is_sent_in_parts_that_fit() -> None:
    made = Accounts(Limits(), counting=True)
    for number in range(1000):
        made.request(f"Operation{number}" + "x" * 60, "200", 0.1, 2**40, 2**40)
        made.event("refused", str(number))
    tally, received = made.take(), Tally()
    for part in tally.parts():
        octets = json.dumps(part.message()).encode()
        assert len(octets) < 100_000
        received.add(Tally.of(json.loads(octets)))
    assert received.requests == tally.requests and received.events == tally.events


def test_what_nobody_takes_is_sent_later() -> None:
    monitor, others = reports.pair()
    counted = Accounts(Limits(), counting=True)
    reporter = reports.Reporter(others, "worker 1")
    while reports.send(others, {"filler": "x" * 10_000}):
        pass
    counted.request("A", "200", 0.1, 1, 1)
    reporter.send(counted, {"connections": 1})
    while b"filler" in monitor.recv(reports.MAX_DATAGRAM, socket.MSG_PEEK):
        monitor.recv(reports.MAX_DATAGRAM)
        if not _waits(monitor):
            break
    counted.request("A", "200", 0.1, 1, 1)
    reporter.send(counted, {"connections": 2})
    message = json.loads(monitor.recv(reports.MAX_DATAGRAM))
    assert (message["worker"], message["state"]) == ("worker 1", {"connections": 2})
    assert Tally.of(message).requests["A", "200"][COUNT] == 2
    monitor.close()
    others.close()


def _waits(sock: socket.socket) -> bool:
    try:
        sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    return True


def test_no_more_requests_and_bodies_than_allowed() -> None:
    counted = Accounts(Limits(max_requests=2, max_bodies=100))
    assert [counted.enter() for _ in range(3)] == [True, True, False]
    counted.leave()
    assert counted.enter()
    assert counted.hold(100) and not counted.hold(1)
    counted.drop(100)
    assert counted.hold(1)


def test_events_are_not_kept_when_nobody_wants_them() -> None:
    counted = Accounts(Limits())
    counted.event("accepted")
    assert not counted.take()


def test_counting_in_many_threads_loses_nothing() -> None:
    counted = Accounts(Limits(max_requests=1000), counting=True)

    def work() -> None:
        for _ in range(2000):
            assert counted.enter()
            counted.request("A", "200", 0.1, 1, 2)
            counted.leave()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted.in_work == 0
    assert counted.take().requests["A", "200"][accounts.COUNT] == 16_000
