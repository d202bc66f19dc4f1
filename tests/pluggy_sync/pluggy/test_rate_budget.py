"""One budget for all workers, with a share kept free for who comes before."""

import time

import pytest
import redis

from pluggy_sync.pluggy import rate_budget
from pluggy_sync.pluggy.errors import PluggyLimitedError
from pluggy_sync.pluggy.rate_budget import PATCH_ITEM, Budget, Lane

READ = "GET /accounts"


@pytest.fixture
def ten(resources):
    """A budget of ten requests a minute."""
    return Budget(resources.redis, 10)


def taken(ten, lane, endpoint=READ):
    """Return how many requests may be made in *lane* before it has to wait."""
    count = 0
    with rate_budget.lane(lane):
        try:
            while count < 100:
                ten.take(endpoint)
                count += 1
        except PluggyLimitedError:
            pass
    return count


def test_a_person_may_use_all_of_the_budget(ten):
    assert taken(ten, Lane.PERSON) == 10


def test_events_leave_a_share_for_persons_and_reconciliation_one_for_both(ten):
    assert taken(ten, Lane.RECONCILIATION) == 6
    assert taken(ten, Lane.EVENTS) == 3
    assert taken(ten, Lane.PERSON) == 1


def test_another_worker_shares_the_same_budget(ten, resources):
    assert taken(ten, Lane.EVENTS) == 9

    assert taken(Budget(resources.redis, 10), Lane.EVENTS) == 0


def test_each_endpoint_has_its_own(ten):
    assert taken(ten, Lane.PERSON) == 10

    assert taken(ten, Lane.PERSON, "GET /loans") == 10


def test_updating_items_has_the_smaller_limit_that_pluggy_sets(resources, ten):
    wide = Budget(resources.redis, 350)

    assert taken(wide, Lane.PERSON, PATCH_ITEM) == 20


def test_a_refusal_for_too_many_requests_pauses_its_endpoint_for_everybody(ten, resources):
    ten.pause(READ, 60)

    other = Budget(resources.redis, 10)
    assert taken(other, Lane.PERSON) == 0
    assert taken(other, Lane.PERSON, "GET /loans") == 10


def test_each_address_has_a_budget_of_its_own(resources):
    here, there = Budget(resources.redis, 10, ["here"]), Budget(resources.redis, 10, ["there"])
    assert taken(here, Lane.PERSON) == 10

    assert taken(there, Lane.PERSON) == 10
    assert taken(Budget(resources.redis, 10, ["here"]), Lane.PERSON) == 0


def test_a_pool_of_addresses_uses_the_budgets_of_all(resources):
    both = Budget(resources.redis, 10, ["here", "there"])

    assert taken(both, Lane.PERSON) == 20
    assert both.left([READ]) == {READ: 0}


def test_a_refusal_pauses_the_address_that_it_was_for_and_no_other(resources):
    both = Budget(resources.redis, 10, ["here", "there"])
    both.pause(READ, 60, "here")

    with rate_budget.lane(Lane.PERSON):
        assert {both.take(READ) for _ in range(5)} == {"there"}


def test_without_budget_a_worker_is_told_at_once_for_how_long(ten):
    taken(ten, Lane.EVENTS)
    started = time.monotonic()

    with pytest.raises(PluggyLimitedError) as caught:
        ten.take(READ)

    assert 0 < caught.value.retry_after_s <= 60
    assert time.monotonic() - started < 10
    assert ten.wait_s([READ, "GET /loans"]) > 0
    assert ten.wait_s(["GET /loans"]) == 0


def test_what_is_left_is_shown(ten):
    taken(ten, Lane.EVENTS)
    ten.pause("GET /loans", 60)

    assert ten.left((READ, "GET /loans", "GET /bills")) == {READ: 1, "GET /loans": 0, "GET /bills": 10}


def test_without_redis_nothing_is_counted_and_nobody_waits(dead_redis):
    lonely = Budget(dead_redis, 1)

    assert taken(lonely, Lane.EVENTS) == 100


@pytest.fixture
def dead_redis():
    """A client of a Redis that is not there."""
    url = "redis://127.0.0.1:1/0"
    client = redis.Redis.from_url(url, socket_connect_timeout=0.2)
    yield client
    client.close()
