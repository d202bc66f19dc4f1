"""What could not be read, as one sync run collects it."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from pluggy_sync.pluggy import payloads, unreadable
from pluggy_sync.pluggy.unreadable import MAX_KEPT, TRANSACTION, Unreadable
from tests.kit.factories import a_raw_transaction


def read(*rows):
    return unreadable.readable(TRANSACTION, payloads.transaction, rows, parent_id="an account")


def an_odd_row(**changes):
    return a_raw_transaction(date="0001-01-01", **changes)


def test_a_row_is_told_by_its_id_or_by_what_it_is():
    found = Unreadable()
    odd = an_odd_row(id="x")
    with unreadable.collecting(found):
        assert read(odd, None, None, {"date": "2026-01-01"}, odd) == []

    keys = [row.key for row in found.rows]
    assert keys[0] == "x"
    assert len(keys) == len(set(keys)) == 3
    assert found.ids(TRANSACTION) == {"x"}


def test_a_row_that_is_read_later_in_the_same_run_is_not_kept_but_was_listed():
    found = Unreadable()
    with unreadable.collecting(found):
        read(an_odd_row(id="x"))
        read(a_raw_transaction(id="x"))

    assert found.rows == []
    assert found.ids(TRANSACTION) == {"x"}


def test_a_row_that_could_not_be_read_before_is_healed_once_it_can():
    found = Unreadable([(TRANSACTION, "x"), (TRANSACTION, "y"), ("account", "z")])
    with unreadable.collecting(found):
        read(a_raw_transaction(id="x"), an_odd_row(id="y"), a_raw_transaction(id="z"))

    assert found.healed == {(TRANSACTION, "x")}


def test_of_very_many_the_first_are_kept_and_all_count_as_listed():
    found = Unreadable()
    with unreadable.collecting(found):
        read(*[an_odd_row(id=str(number)) for number in range(MAX_KEPT * 2)])

    assert len(found.rows) == MAX_KEPT
    assert len(found.ids(TRANSACTION)) == MAX_KEPT * 2


def test_the_threads_of_a_run_collect_into_one():
    found = Unreadable()
    with unreadable.collecting(found), ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda context: context.run(read, an_odd_row()), [copy_context() for _ in range(20)]))

    assert len(found.rows) == 20


def test_outside_of_a_run_odd_rows_are_passed_over():
    good = a_raw_transaction()

    assert [row.raw for row in read(an_odd_row(), good)] == [good]


def test_a_block_collects_nothing_of_what_comes_after_it():
    found = Unreadable()
    with unreadable.collecting(found):
        pass
    read(an_odd_row())

    assert not found.found_anything


@pytest.mark.parametrize("secret", ["Farmácia Secreta"])
def test_the_log_names_the_field_and_quotes_nothing(caplog, secret):
    read(an_odd_row(description=secret))

    assert "transaction: date" in caplog.text
    assert secret not in caplog.text
