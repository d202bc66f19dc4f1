"""The outcome of a measurement: a number, its reference, and the target."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One row of the table. *met* is None where there is no target."""

    what: str
    measured: str
    reference: str
    ratio: str
    target: str = "-"
    met: bool | None = None


def rate(count: int, seconds: float, unit: str = "rows/s") -> str:
    """Return *count* per second, as text."""
    return f"{count / seconds:,.0f} {unit}"
