"""The promises of the room sql, on both databases."""

import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, StatementError

import sql
from sql.engines import DatabaseUrlError, parse_url

metadata = sa.MetaData()
jobs = sa.Table(
    "jobs", metadata,
    sa.Column("jobid", sql.Key32, primary_key=True),
    sa.Column("name", sql.Text255, nullable=False),
    sa.Column("at", sql.UtcDateTime, nullable=True),
    sa.Column("body", sql.Blob, nullable=True),
    mysql_engine="InnoDB",
)


@pytest.fixture
def engine(db_url: str) -> Iterator[sa.Engine]:
    made = sql.engine(db_url)
    with sql.write(made) as conn:
        metadata.create_all(conn)
    yield made
    made.dispose()


def names(engine: sa.Engine) -> list[str]:
    with sql.read(engine) as conn:
        return list(conn.scalars(sa.select(jobs.c.name).order_by(jobs.c.jobid)))


def test_a_failed_write_leaves_no_trace(engine: sa.Engine) -> None:
    with pytest.raises(RuntimeError), sql.write(engine) as conn:
        conn.execute(jobs.insert().values(jobid="a", name="x"))
        raise RuntimeError
    assert names(engine) == []


def test_insert_new_counts_only_new_rows(engine: sa.Engine) -> None:
    with sql.write(engine) as conn:
        assert sql.insert_new(conn, jobs, {"jobid": "a", "name": "first"}) == 1
        rows = [{"jobid": "a", "name": "second"}, {"jobid": "b", "name": "other"}]
        assert sql.insert_new(conn, jobs, rows) == 1
        assert sql.insert_new(conn, jobs, []) == 0
    assert names(engine) == ["first", "other"]


def test_insert_new_never_cuts_a_value_on_mysql(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        with sql.write(engine) as conn:
            sql.insert_new(conn, jobs, {"jobid": "a", "name": "x" * 300})
        assert names(engine) == ["x" * 300]
        return
    with pytest.raises(ValueError, match="alter a value"), sql.write(engine) as conn:
        sql.insert_new(conn, jobs, {"jobid": "a", "name": "x" * 300})
    assert names(engine) == []


def test_upsert_replaces(engine: sa.Engine) -> None:
    many = [{"jobid": f"{i:04}", "name": "old"} for i in range(2500)]
    with sql.write(engine) as conn:
        sql.upsert(conn, jobs, many, key=["jobid"])
        sql.upsert(conn, jobs, {"jobid": "0007", "name": "new"}, key=["jobid"])
    found = names(engine)
    assert len(found) == 2500
    assert found[7] == "new"


def test_strings_compare_by_bytes(engine: sa.Engine) -> None:
    with sql.write(engine) as conn:
        sql.insert_new(conn, jobs, [{"jobid": "a", "name": "Done"}, {"jobid": "A", "name": "done"}])
    with sql.read(engine) as conn:
        assert conn.scalars(sa.select(jobs.c.jobid).where(jobs.c.name == "done")).all() == ["A"]
        assert conn.scalars(sa.select(jobs.c.jobid).where(jobs.c.name > "a")).all() == ["A"]


def test_times_are_utc_with_microseconds(engine: sa.Engine) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
    with sql.write(engine) as conn:
        conn.execute(jobs.insert().values(jobid="a", name="x", at=moment, body=b"\x00\xff"))
    with sql.read(engine) as conn:
        row = conn.execute(sa.select(jobs.c.at, jobs.c.body)).one()
    assert row.at == moment
    assert row.at.tzinfo is UTC
    assert row.body == b"\x00\xff"
    with pytest.raises(StatementError), sql.write(engine) as conn:
        conn.execute(jobs.insert().values(jobid="b", name="x", at=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_writers_in_parallel_lose_nothing(engine: sa.Engine) -> None:
    with sql.write(engine) as conn:
        conn.execute(jobs.insert().values(jobid="counter", name="0"))

    def count(conn: sa.Connection) -> None:
        row = conn.execute(sa.select(jobs.c.name).where(jobs.c.jobid == "counter").with_for_update())
        value = int(row.scalar_one())
        conn.execute(jobs.update().where(jobs.c.jobid == "counter").values(name=str(value + 1)))

    def work() -> None:
        for _ in range(25):
            sql.transact(engine, count)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(engine) == ["100"]


def test_an_error_of_the_statement_is_not_repeated(engine: sa.Engine) -> None:
    calls = []

    def work(conn: sa.Connection) -> None:
        calls.append(1)
        conn.exec_driver_sql("SELECT nothing FROM nowhere")

    with pytest.raises(DBAPIError):
        sql.transact(engine, work)
    assert calls == [1]


REVISION = '''
import sqlalchemy as sa
from alembic import op

revision, down_revision = {revision!r}, {down!r}


def upgrade():
    {body}
'''


def test_migrations_run_once_and_in_order(
    db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "roomx" / "migrations"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    create = "op.create_table('things', sa.Column('id', sa.Integer, primary_key=True))"
    (folder / "m0001_initial.py").write_text(REVISION.format(revision="0001", down=None, body=create))
    monkeypatch.syspath_prepend(tmp_path)
    engine = sql.engine(db_url)
    sql.migrate(engine, "roomx")
    sql.migrate(engine, "roomx")
    add = "op.add_column('things', sa.Column('name', sa.String(10)))"
    (folder / "m0002_name.py").write_text(REVISION.format(revision="0002", down="0001", body=add))
    sql.migrate(engine, "roomx")
    with sql.write(engine) as conn:
        conn.exec_driver_sql("INSERT INTO things (id, name) VALUES (1, 'x')")
    (folder / "m0002_name.py").unlink()
    sql.migrate(engine, "roomx")  # an older program on a newer database
    engine.dispose()
    for name in ("roomx", "roomx.migrations"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("text", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "postgresql://x/y"])
def test_bad_urls_are_refused_with_advice(text: str) -> None:
    with pytest.raises(DatabaseUrlError):
        parse_url(text)


def test_the_original_connect_string_is_understood() -> None:
    url = parse_url("lbserver/@localhost:lbserver20")
    assert (url.username, url.password, url.host, url.database) == ("lbserver", None, "localhost", "lbserver20")
