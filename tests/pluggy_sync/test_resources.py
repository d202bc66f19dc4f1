"""A process's connections: what a transaction queues is sent after its commit, and never if there is none."""

import pytest
import sqlalchemy as sa

from pluggy_sync import queue
from pluggy_sync.resources import create_resources
from tests.kit.factories import a_settings
from tests.kit.workers import take_messages


def test_nothing_is_queued_before_the_commit_and_all_of_it_after(resources):
    with resources.begin() as tx:
        tx.after_commit(queue.HANDLE_EVENT, "first")
        tx.after_commit(queue.SYNC_ITEM, "second")
        assert take_messages(resources) == []

    assert take_messages(resources) == [(queue.HANDLE_EVENT, "first"), (queue.SYNC_ITEM, "second")]


def test_a_block_that_fails_is_rolled_back_and_queues_nothing(resources):
    def write_and_fail():
        with resources.begin() as tx:
            tx.conn.execute(sa.text("CREATE TABLE never_made ()"))
            tx.after_commit(queue.HANDLE_EVENT, "first")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()

    assert take_messages(resources) == []
    assert not sa.inspect(resources.database).has_table("never_made")


def test_a_commit_that_fails_queues_nothing(resources):
    def write_what_the_commit_refuses():
        with resources.begin() as tx:
            tx.conn.execute(sa.text("CREATE TEMPORARY TABLE once (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
            tx.conn.execute(sa.text("INSERT INTO once VALUES (1), (1)"))
            tx.after_commit(queue.HANDLE_EVENT, "first")

    with pytest.raises(sa.exc.IntegrityError):
        write_what_the_commit_refuses()

    assert take_messages(resources) == []


def test_what_a_commit_queues_may_be_lost_and_the_commit_stands(settings):
    without_redis = create_resources(a_settings(DATABASE_URL=settings.database_url))
    try:
        with without_redis.begin() as tx:
            tx.conn.execute(sa.text("INSERT INTO connectors (id, updated_at) VALUES (1, now())"))
            tx.after_commit(queue.HANDLE_EVENT, "first")

        with without_redis.database.begin() as conn:
            assert conn.scalar(sa.text("SELECT count(*) FROM connectors")) == 1
    finally:
        without_redis.close()


def test_pluggy_s_now_is_ours_less_what_our_clock_is_ahead(resources, clock, monkeypatch):
    monkeypatch.setattr(type(resources.pluggy_clock), "ahead_s", property(lambda _: 90.0))

    ahead = resources.now() - resources.pluggy_now()

    assert 89 < ahead.total_seconds() < 91


def test_making_the_resources_of_a_process_connects_to_nothing():
    # Nobody listens at any of these addresses.
    create_resources(a_settings()).close()
