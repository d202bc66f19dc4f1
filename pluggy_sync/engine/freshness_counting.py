"""
Counting how many Items of each bank are how fresh, now and then, for the metrics and the objective.

Nearly all Items are fresh. Only those that may not be, which small indexes name, are looked at one by one; the rest is
what remains of each bank's number. All Items of a bank that is offline are so without being looked at.
"""

from collections import Counter
from collections.abc import Mapping

from pluggy_sync.resources import Resources
from pluggy_sync.rules.freshness import State, freshness_of
from pluggy_sync.rules.freshness_objective import OVER, Share, share, without
from pluggy_sync.rules.sync_plan import DATA_PRODUCTS, TRANSACTIONS
from pluggy_sync.store import freshness_counts, item_views, user_actions
from pluggy_sync.store.freshness_counts import UNKNOWN_BANK

AT_ONCE = 500
PRODUCTS = (TRANSACTIONS, *(each.name for each in DATA_PRODUCTS))


def count(res: Resources) -> None:
    """Count the Items by bank and freshness, and add the count to the sums of the day."""
    now = res.now()
    with res.database.begin() as conn:
        totals = freshness_counts.living(conn)
        offline = freshness_counts.offline(conn)
        parts = freshness_counts.incomplete(conn)
        expected_before = now - res.settings.stale_after
        candidates = item_views.perhaps_not_fresh(conn, expected_before=expected_before)
    states = _states(res, candidates, offline)
    counts: Counter[tuple[int, State]] = Counter(states.values())
    for bank, number in totals.items():
        if bank in offline:
            counts[bank, State.BANK_OUTAGE] = number
        else:
            others = sum(counts[bank, state] for state in State if state is not State.FRESH)
            counts[bank, State.FRESH] = max(0, number - others)
    incomplete = Counter(
        (part.connector_id, part.product)
        for part in parts
        if part.item_id not in states or states[part.item_id][1] is State.SYNCING
        if part.connector_id not in offline
    )
    with res.database.begin() as conn:
        freshness_counts.save(conn, counts, now=now)
        freshness_counts.add_to_day(conn, now.date(), _shares(counts, incomplete))
        # As long again as the budget is for.
        freshness_counts.remove_before(conn, (now - 2 * OVER).date())


def _states(res: Resources, candidates: list[str], offline: set[int]) -> dict[str, tuple[int, State]]:
    """Return bank and state of each of the candidates that is not fresh."""
    now, grace = res.now(), res.settings.stale_after
    found: dict[str, tuple[int, State]] = {}
    for first in range(0, len(candidates), AT_ONCE):
        ids = candidates[first : first + AT_ONCE]
        with res.database.begin() as conn:
            views = item_views.of(conn, ids)
            actions = user_actions.unsettled_of(conn, ids)
        for view in views:
            bank = UNKNOWN_BANK if view.connector_id is None else view.connector_id
            known = item_views.known(view, actions.get(view.id, []))
            state = freshness_of(known, now=now, grace=grace).state
            if bank not in offline and not known.is_replaced and state not in (State.FRESH, State.DELETED):
                found[view.id] = (bank, state)
    return found


def _shares(
    counts: Mapping[tuple[int, State], int], incomplete: Mapping[tuple[int, str], int]
) -> dict[tuple[int, str], Share]:
    banks = {bank for bank, _ in counts}
    of_items = {
        bank: share({state: counts[bank, state] for state in State if (bank, state) in counts}) for bank in banks
    }
    return {
        (bank, product): without(of_items[bank], incomplete.get((bank, product), 0))
        for bank in banks
        for product in PRODUCTS
    }
