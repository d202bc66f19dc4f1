"""The incremental window: what is read, what is recorded, and when an event brings news."""

from datetime import UTC, date, datetime, timedelta

from pluggy_sync import wire
from pluggy_sync.rules.window import EVERYTHING, later, transactions_since, updated_since, window_since, year_before
from tests.kit.factories import NOON, an_item

EARLIER = NOON - timedelta(days=1)
LATER = NOON + timedelta(days=1)


def collected(at, **products):
    detail = {
        name: {"isUpdated": updated, "lastUpdatedAt": wire.to_text(moment), "warnings": []}
        for name, (updated, moment) in products.items()
    }
    return an_item(lastUpdatedAt=wire.to_text(at), statusDetail=detail or None)


def test_the_first_sync_reads_everything():
    assert window_since(None, 3) == EVERYTHING
    assert (EVERYTHING.from_day, EVERYTHING.ingested_since) == (None, None)


def test_later_syncs_read_from_three_days_before_what_is_stored_and_what_was_ingested_since():
    window = window_since(NOON, 3)

    assert window.from_day == date(2026, 3, 7)
    assert window.ingested_since == NOON


def test_the_day_is_that_of_sao_paulo():
    stored = datetime(2026, 3, 10, 2, 30, tzinfo=UTC)  # still the 9th there

    assert window_since(stored, 0).from_day == date(2026, 3, 9)


def test_the_later_moment_wins_and_none_is_before_everything():
    assert later(EARLIER, NOON) == later(NOON, EARLIER) == later(NOON, None) == later(None, NOON) == NOON
    assert later(None, None) is None


def test_only_rows_of_the_year_that_pluggy_collects_can_be_missed():
    assert year_before(NOON) == date(2025, 3, 10)
    assert year_before(None) is None


def test_transactions_that_a_partial_run_did_not_collect_are_no_news():
    item = collected(LATER, transactions=(False, EARLIER), accounts=(True, LATER))

    assert not transactions_since(item, EARLIER)
    assert transactions_since(item, None)


def test_transactions_that_were_never_collected_are_no_news():
    assert not transactions_since(collected(LATER, transactions=(False, None), accounts=(True, LATER)), None)


def test_news_is_what_was_collected_after_what_is_stored():
    assert updated_since(collected(LATER), NOON, NOON)
    assert not updated_since(collected(NOON), NOON, NOON)
    assert not updated_since(collected(EARLIER), NOON, NOON)
    assert updated_since(collected(NOON), None, None)


def test_transactions_collected_since_are_news_though_the_item_was_synced():
    item = collected(NOON, transactions=(True, NOON))

    assert transactions_since(item, EARLIER)
    assert updated_since(item, NOON, EARLIER)
    assert not transactions_since(item, NOON)


def test_an_item_that_was_never_collected_brings_no_news():
    assert not updated_since(collected(None), None, None)
