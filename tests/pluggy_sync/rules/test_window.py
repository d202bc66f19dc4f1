"""The incremental window: what is read, what is recorded, and which dates each batch of a list answers for."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pluggy_sync import wire
from pluggy_sync.rules.window import EVERYTHING, Batch, after, later, spans, window_since, year_before
from tests.kit.factories import NOON, a_raw_transaction, a_transaction

EARLIER = NOON - timedelta(days=1)


def test_the_first_sync_reads_everything():
    assert window_since(None, 3) == EVERYTHING
    assert EVERYTHING.from_day is None


def test_later_syncs_read_from_three_days_before_what_is_stored():
    assert window_since(NOON, 3).from_day == date(2026, 3, 7)


def test_the_day_is_that_of_sao_paulo():
    stored = datetime(2026, 3, 10, 2, 30, tzinfo=UTC)  # still the 9th there

    assert window_since(stored, 0).from_day == date(2026, 3, 9)


def test_the_later_moment_wins_and_none_is_before_everything():
    assert later(EARLIER, NOON) == later(NOON, EARLIER) == later(NOON, None) == later(None, NOON) == NOON
    assert later(None, None) is None


def test_only_what_is_later_than_what_is_stored_is_news():
    assert after(NOON, EARLIER)
    assert after(NOON, None)
    assert not after(NOON, NOON)
    assert not after(None, None)


def test_only_rows_of_the_year_that_pluggy_collects_can_be_missed():
    assert year_before(NOON) == date(2025, 3, 10)
    assert year_before(None) is None


# Few dates, so that many rows share one and batches end in the middle of it.
ROW = a_raw_transaction()
some_days = st.lists(st.integers(0, 5), max_size=12)


def row(number, day):
    return a_transaction(**{**ROW, "id": f"{number}", "date": wire.to_text(NOON + timedelta(days=day))})


def cut(rows, lengths):
    """Return *rows* in batches of these lengths, the rest in the last one."""
    batches = []
    for length in lengths:
        batches.append(Batch(rows=rows[:length], began_at=NOON))
        rows = rows[length:]
    return [*batches, Batch(rows=rows, began_at=NOON)]


def seem_unlisted(batches, stored):
    """Return the ids that each span would miss, and how many spans answer for each stored row."""
    missed, answers = set(), dict.fromkeys((each.id for each in stored), 0)
    for span in spans(batches):
        for each in stored:
            if (span.after is None or each.date > span.after) and (span.through is None or each.date <= span.through):
                answers[each.id] += 1
                if each.id not in span.shown:
                    missed.add(each.id)
    return missed, answers


@given(days=some_days, listed=st.data(), lengths=st.lists(st.integers(0, 4), max_size=6))
def test_of_a_list_newest_first_exactly_the_rows_that_it_lacks_seem_unlisted(days, listed, lengths):
    stored = [row(number, day) for number, day in enumerate(days)]
    shown = [each for each in stored if listed.draw(st.booleans())]
    batches = cut(sorted(shown, key=lambda each: each.date, reverse=True), lengths)

    missed, answers = seem_unlisted(batches, stored)

    assert missed == {each.id for each in stored} - {each.id for each in shown}
    assert set(answers.values()) <= {1}


@given(days=some_days, listed=st.data(), lengths=st.lists(st.integers(0, 4), max_size=6))
def test_whatever_the_order_of_a_list_no_row_that_it_lacks_is_passed_over(days, listed, lengths):
    stored = [row(number, day) for number, day in enumerate(days)]
    shown = listed.draw(st.permutations([each for each in stored if listed.draw(st.booleans())]))

    missed, answers = seem_unlisted(cut(shown, lengths), stored)

    assert missed >= {each.id for each in stored} - {each.id for each in shown}
    assert 0 not in answers.values()


@given(days=some_days, lengths=st.lists(st.integers(0, 4), max_size=6))
def test_every_listed_row_is_in_one_span(days, lengths):
    rows = [row(number, day) for number, day in enumerate(days)]

    found = [each for span in spans(cut(rows, lengths)) for each in span.batch.rows]

    assert found == rows


def test_an_empty_list_answers_for_all_dates():
    (span,) = spans([Batch(rows=[], began_at=NOON)])

    assert (span.after, span.through, span.shown) == (None, None, frozenset())


def test_a_date_that_goes_on_through_several_batches_is_answered_for_by_the_last_of_them_with_the_rows_of_all():
    batches = [Batch(rows=[row(number, 0)], began_at=NOON) for number in range(4)]

    *others, last = spans(batches)

    assert {(span.after, span.through) for span in others[1:]} == {(NOON, NOON)}
    assert (last.after, last.through, last.shown) == (None, NOON, frozenset("0123"))
