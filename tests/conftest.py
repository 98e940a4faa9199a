"""Fixtures shared by all tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Connection, Engine, event

import gsi  # noqa: F401  (before tests load OpenSSL: as in the programs, it gets our configuration)
import mariadb

# Property tests take the same examples each time, however slow the machine is.
settings.register_profile(
    "the same each time", derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("the same each time")

#: Engines that have been connected since the last test.
_ENGINES: set[Engine] = set()


@event.listens_for(Engine, "engine_connect")
def _note_engine(connection: Connection) -> None:
    _ENGINES.add(connection.engine)


@pytest.fixture(autouse=True)
def _connections_are_closed() -> Iterator[None]:
    """After each test the pools are emptied: thousands of tests would hold more descriptors than a process may have."""
    yield
    while _ENGINES:
        _ENGINES.pop().dispose()


#: What tests record by `record_property` to have it printed, and under which title.
_PRINTED = {"zoo": "what servers accept and refuse", "oracle": "the answers of the original, and ours"}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests have recorded, one line for each."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    for wanted, title in _PRINTED.items():
        lines = [text for report in reports if report.when == "call"
                 for key, text in report.user_properties if key == wanted]
        if lines:
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[mariadb.Server]:
    """One MariaDB server for the whole run."""
    if not mariadb.available():
        pytest.fail("mariadb-server is not installed; run `make test`, which installs it")
    with mariadb.Server() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, empty database: every test that takes it runs on SQLite and on MariaDB."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    server: mariadb.Server = request.getfixturevalue("mariadb_server")
    url = server.new_database()
    yield url
    server.drop(url)
