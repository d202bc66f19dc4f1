"""How much reconciliation one round may ask for, given the budget that is left and what still waits for a worker."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Room:
    """How many silent Items to fetch, how many reconciliations to queue, and how many of both together, at most."""

    silent: int
    deep: int
    both: int


def room(
    *,
    fetches_left: int,
    reads_left: int,
    reads_each: float,
    silent_waiting: int,
    deep_waiting: int,
    most_deep: int | None,
) -> Room:
    """
    Return the room of one round.

    *fetches_left* and *reads_left*: what the budget of this minute still gives to reconciliation, for Items and for
    transactions. *reads_each*: what one reconciliation reads. What waits already has its share: if workers are what is
    short, no more is queued than they do. Each kind gets at least half of the fetches if it needs them.
    """
    both = max(0, fetches_left - silent_waiting - deep_waiting)
    deep = max(0, int(reads_left / max(reads_each, 1.0)) - deep_waiting)
    if most_deep is not None:
        deep = min(deep, most_deep)
    deep = min(deep, both)
    return Room(silent=both - min(deep, both // 2), deep=deep, both=both)
