"""The incremental window: what is read, what is recorded, and when an event brings news."""

from datetime import UTC, date, datetime, timedelta

import pytest

from pluggy_sync.api import wire
from pluggy_sync.rules.window import transactions_since, updated_since, window_of
from tests.factories import NOON, an_item

EARLIER = NOON - timedelta(days=1)
LATER = NOON + timedelta(days=1)


def collected(at, **products):
    detail = {
        name: {"isUpdated": updated, "lastUpdatedAt": wire.to_text(moment), "warnings": []}
        for name, (updated, moment) in products.items()
    }
    return an_item(lastUpdatedAt=wire.to_text(at), statusDetail=detail or None)


def test_the_first_sync_reads_everything():
    window = window_of(collected(NOON), None, 3)

    assert window.from_day is None
    assert window.ingested_since is None
    assert window.to == NOON


def test_later_syncs_read_from_three_days_before_what_is_stored_and_record_no_overlap():
    window = window_of(collected(LATER), NOON, 3)

    assert window.from_day == date(2026, 3, 7)
    assert window.ingested_since == NOON
    assert window.to == LATER


def test_an_item_that_failed_for_a_month_is_read_for_that_month():
    stored = NOON - timedelta(days=30)

    window = window_of(collected(NOON), stored, 3)

    assert window.from_day == (stored - timedelta(days=3)).date()


def test_the_day_is_that_of_sao_paulo():
    stored = datetime(2026, 3, 10, 2, 30, tzinfo=UTC)  # still the 9th there

    assert window_of(collected(NOON), stored, 0).from_day == date(2026, 3, 9)


@pytest.mark.parametrize("shown", [EARLIER, None])
def test_the_watermark_is_never_set_back(shown):
    assert window_of(collected(shown), NOON, 3).to == NOON


def test_a_partial_run_moves_the_watermark_only_as_far_as_transactions_were_collected():
    item = collected(LATER, transactions=(False, EARLIER), accounts=(True, LATER))

    assert window_of(item, None, 3).to == EARLIER


def test_transactions_that_were_never_collected_leave_no_watermark():
    item = collected(LATER, transactions=(False, None), accounts=(True, LATER))

    assert window_of(item, None, 3).to is None


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
