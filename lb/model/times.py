"""Moments as ``(seconds, microseconds)`` since 1970 UTC, the form every event and status uses, and their texts.

The date of an event line is ``YYYYMMDDHHMMSS.uuuuuu`` (lb.md 2.1). The original reads it with fixed widths and lets the
calendar carry what overflows (``simple-refused-0041`` of the oracle: day 30 of February, hour 99); so does
``parse_date``. What are no digits the original takes for digits all the same and gets some time from them; to us it is
no date. Moments are those of the years 1 to 9999, so that whatever is read can be written.
"""

import calendar
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from lb.model.errors import ModelError


class DateError(ModelError):
    """A text that is no date, or one of no year that can be written."""


Timestamp = tuple[int, int]
"""Whole seconds since the epoch (UTC) and microseconds 0..999999."""

DATE_LENGTH: Final = 21
"""Characters of a date as it is written (lb.md 2.1)."""
FIRST: Final = calendar.timegm((1, 1, 1, 0, 0, 0))
"""Seconds of the first moment there is; the calendar of Python has no earlier one."""
LAST: Final = calendar.timegm((9999, 12, 31, 23, 59, 59))
"""Seconds of the last one; a year has four digits."""

_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})(?:\.([0-9]{1,6}+)[0-9]*+)?")


def parse_date(text: str) -> Timestamp:
    """Read a ULM date; the fraction is a number of microseconds, not a decimal fraction. Raises ``DateError``."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise DateError(f"not a date (YYYYMMDDHHMMSS.uuuuuu): {text[:40]!r}")
    year, month, day, hour, minute, second, fraction = match.groups()
    seconds = _midnight(year, month, day) + int(hour) * 3600 + int(minute) * 60 + int(second)
    if not FIRST <= seconds <= LAST:
        raise DateError(f"not in the years 1 to 9999: {text[:40]!r}")
    return seconds, int(fraction or 0)


@lru_cache(maxsize=256)
def _midnight(year: str, month: str, day: str) -> int:
    months = int(year) * 12 + int(month) - 1
    if not 12 <= months < 12 * 10_000:
        raise DateError(f"not in the years 1 to 9999: {year}{month}")
    return calendar.timegm((months // 12, months % 12 + 1, 1, 0, 0, 0)) + (int(day) - 1) * 86400


def format_date(moment: Timestamp) -> str:
    """``YYYYMMDDHHMMSS.uuuuuu``."""
    return f"{_calendar(moment[0])}.{moment[1]:06d}"


@lru_cache(maxsize=1024)
def _calendar(seconds: int) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at.year:04d}{at:%m%d%H%M%S}"  # %Y leaves out the zeros of early years


def from_datetime(moment: datetime) -> Timestamp:
    """From an aware datetime; a naive one is an error."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a time zone")
    return calendar.timegm(moment.utctimetuple()), moment.microsecond


def format_seconds(moment: Timestamp) -> str:
    """``sec.uuuuuu``, the form of the native protocol (lb.md 4.3)."""
    return f"{moment[0]}.{moment[1]:06d}"
