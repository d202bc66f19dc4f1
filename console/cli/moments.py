"""Moments on the command line: `2026-03-10`, `2026-03-10T15:00:00Z`, or how long ago: `90m`, `2h`, `3d`."""

import re
from datetime import UTC, datetime, timedelta

import click

_AGO = re.compile(r"(\d{1,5})(m|h|d|w)")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


class _Moment(click.ParamType[datetime]):
    """An ISO 8601 moment, in UTC unless it names a zone (a day is its first moment), or how long ago."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        ago = _AGO.fullmatch(str(value))
        if ago:
            return datetime.now(UTC) - int(ago[1]) * _UNITS[ago[2]]
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no moment such as 2026-03-10, 2026-03-10T15:00:00Z or 2h (ago)", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


MOMENT = _Moment()
