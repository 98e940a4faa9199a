"""Options of glite-wms-job-submit that change the description."""

from datetime import datetime

import click
import pytest

from ui.job_submit import expiry_time

NOW = datetime(2026, 3, 1, 12, 30).astimezone()


def seconds(*moment: int) -> int:
    return int(datetime(*moment).astimezone().timestamp())  # type: ignore[arg-type]


@pytest.mark.parametrize(("valid", "until", "expected"), [
    (None, None, None),
    ("01:30", None, seconds(2026, 3, 1, 14, 0)),
    (None, "13:00", seconds(2026, 3, 1, 13, 0)),
    (None, "08:00", seconds(2026, 3, 2, 8, 0)),
    (None, "03:05:08:00", seconds(2026, 3, 5, 8, 0)),
    (None, "03:05:08:00:27", seconds(2027, 3, 5, 8, 0)),
    (None, "03:05:08:00:2027", seconds(2027, 3, 5, 8, 0)),
])
def test_expiry(valid: str | None, until: str | None, expected: int | None) -> None:
    assert expiry_time(valid, until, NOW) == expected


@pytest.mark.parametrize(("valid", "until"), [
    ("x", None), ("1:2:3", None), (None, "25:00"), (None, "1"), ("1:0", "2:0"),
])
def test_bad_times_are_a_wrong_usage(valid: str | None, until: str | None) -> None:
    with pytest.raises(click.UsageError):
        expiry_time(valid, until, NOW)
