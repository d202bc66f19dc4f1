"""Moments on the command line."""

from datetime import UTC, datetime

import click


class _Moment(click.ParamType[datetime]):
    """An ISO 8601 moment; without a zone it is UTC. A day is its first moment."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no moment such as 2026-03-10 or 2026-03-10T15:00:00Z", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


MOMENT = _Moment()
