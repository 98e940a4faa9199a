"""Options and texts that glite-proxy-init and glite-proxy-info share with the originals of Globus and VOMS."""

import difflib
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import click


def proxy_path(env: Mapping[str, str]) -> Path:
    """Where the user's proxy is kept: $X509_USER_PROXY, else /tmp/x509up_u<uid>."""
    return Path(env.get("X509_USER_PROXY") or f"/tmp/x509up_u{os.getuid()}")


class OneDashCommand(click.Command):
    """A command whose long options have one dash: one that is unknown is named whole, not by one of its letters."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raises click.NoSuchOption."""
        given = [each.partition("=")[0] for each in args]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            known = {option for parameter in self.get_params(ctx) for option in parameter.opts}
            letter = error.option_name.lstrip("-")
            for name in given:
                if name[:1] == "-" and len(name) > 2 and letter in name and name not in known:
                    near = difflib.get_close_matches(name, known, n=3)
                    raise click.NoSuchOption(name, possibilities=near, ctx=ctx) from None
            raise


class HoursMinutes(click.ParamType[timedelta]):
    """A time as H:M, the form of -valid."""

    name = "H:M"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the time."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,6}):(\d{1,2})", value)
        if not match or int(match[2]) > 59:
            self.fail(f"{value!r} is no time; write hours and minutes, for instance 12:00", param, ctx)
        return timedelta(hours=int(match[1]), minutes=int(match[2]))


def duration(valid: timedelta | None, hours: int | None) -> timedelta | None:
    """What -valid or the older -hours says; not both."""
    if valid is not None and hours is not None:
        raise click.UsageError("give -valid or -hours, not both")
    return timedelta(hours=hours) if hours is not None else valid


def clock_text(left: timedelta) -> str:
    """A remaining time as the originals print it, `11:59:57`; 0:00:00 when there is none left."""
    seconds = max(0, int(left.total_seconds()))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
