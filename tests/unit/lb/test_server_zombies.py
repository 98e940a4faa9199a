"""Zombies (lb.md 8.3): remembered by their parts, found by their id only, revived by a registration."""

import pytest

import sql
from lb.model import jobid as ids
from lb.model.jobid import JobId
from lb.server import zombies
from lbbench import SERVER, Bench


@pytest.fixture
def bench(db_url: str) -> Bench:
    return Bench(db_url)


def job(text: str) -> JobId:
    return JobId.parse(text)


def test_what_is_buried_is_found(bench: Bench) -> None:
    buried, alive = [ids.new(SERVER) for _ in range(3)], ids.new(SERVER)
    with sql.write(bench.engine) as conn:
        zombies.bury(conn, buried)
        zombies.bury(conn, buried)
        zombies.bury(conn, [])
    with sql.read(bench.engine) as conn:
        assert zombies.among(conn, [*buried, alive]) == set(buried)
    assert (bench.count("zombie_jobs"), bench.count("zombie_prefixes"), bench.count("zombie_suffixes")) == (3, 1, 1)


@pytest.mark.parametrize("stranger", [
    "https://localhost:9001/abc", "https://elsewhere.org:9000/abc", "https://localhost:9000/abc.torque",
    "https://localhost:9000/ABC", "https://localhost:9000/ab",
])
def test_an_unknown_prefix_or_suffix_is_no_zombie(bench: Bench, stranger: str) -> None:
    """The original took an id with an unknown prefix for a zombie."""
    with sql.write(bench.engine) as conn:
        zombies.bury(conn, [job("https://localhost:9000/abc")])
    with sql.read(bench.engine) as conn:
        assert zombies.among(conn, [job(stranger)]) == set()
        assert zombies.among(conn, []) == set()


def test_ids_that_differ_in_their_suffix_are_two_zombies(bench: Bench) -> None:
    pbs = [job(f"https://localhost:9000/17.{host}.example.org") for host in ("one", "two", "three")]
    with sql.write(bench.engine) as conn:
        zombies.bury(conn, pbs[:2])
    with sql.read(bench.engine) as conn:
        assert zombies.among(conn, pbs) == set(pbs[:2])


def test_a_revived_job_is_no_zombie(bench: Bench) -> None:
    first, second = ids.new(SERVER), ids.new(SERVER)
    with sql.write(bench.engine) as conn:
        zombies.bury(conn, [first, second])
        zombies.revive(conn, [first])
        assert zombies.among(conn, [first, second]) == {second}
