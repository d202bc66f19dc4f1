"""The month's requests that are used up: shown by person, bank and data product, and not asked for again."""

from datetime import UTC, date, datetime

import pytest

from console.checkup import persons
from console.checkup.results import results_of
from pluggy_sync.store import quotas
from tests.kit.interception import changed, edited


def with_quota_used_up(item):
    names = ("accounts", "creditCards", "transactions", "identity", "loans")
    well = {"isUpdated": True, "lastUpdatedAt": item["lastUpdatedAt"], "warnings": []}
    used_up = {"isUpdated": False, "lastUpdatedAt": None, "warnings": [{"code": "423", "message": "used up"}]}
    item["statusDetail"] = dict.fromkeys(names, well) | {"identity": used_up, "loans": used_up}


@pytest.fixture
def item_id(service):
    """An Item of a person who has another one at the same bank."""
    service.upstream.connect("user-ok-two-checking-accounts", products=None)
    service.catch_up()
    with changed(service.res, "/items/[^/]+", edited(with_quota_used_up)):
        item_id = service.upstream.connect("user-ok", products=None)
        service.catch_up()
    return item_id


def used_up(service, now=None):
    with service.res.database.begin() as conn:
        return quotas.used_up(conn, now=now or service.res.now(), limit=10)


def verdict(service):
    (result,) = results_of(persons.quota, "quota", service.res)
    return result.verdict, result.detail


def test_it_is_shown_whose_at_which_bank_and_for_what(service, item_id):
    (found,) = used_up(service)

    assert (found.item_id, found.client_user_id, found.bank) == (item_id, "user-42", "Pluggy Bank")
    assert found.products == ["identity", "loans"]
    assert found.items_at_bank == 2
    said, detail = verdict(service)
    assert said == "heads-up"
    assert "1 of them of persons with several Items" in detail


def test_what_is_used_up_is_not_asked_for_until_it_was_collected(service, item_id):
    def asked():
        return {each["path"] for each in service.upstream.take_requests()} & {"/identity", "/loans"}

    assert asked() == {"/identity", "/loans"}  # of the other Item
    with changed(service.res, "/items/[^/]+", edited(with_quota_used_up)):
        for _ in range(3):
            service.upstream.later(days=1)
            service.upstream.run(item_id)
            service.catch_up()
    assert asked() == set()

    service.upstream.later(days=1)
    service.upstream.run(item_id)
    service.catch_up()

    assert asked() == {"/identity", "/loans"}
    assert used_up(service) == []
    assert verdict(service)[0] == "pass"


def test_in_the_next_month_all_is_there_again(service, item_id):
    now = service.res.now()
    later = datetime.combine(quotas.there_again_on(now), datetime.min.time(), UTC).replace(hour=12)

    assert len(used_up(service, now)) == 1
    assert used_up(service, later) == []


@pytest.mark.parametrize(
    "now, day",
    [
        (datetime(2026, 11, 26, 12, tzinfo=UTC), date(2026, 12, 1)),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), date(2027, 1, 1)),
        # In São Paulo it is still December.
        (datetime(2027, 1, 1, 2, tzinfo=UTC), date(2027, 1, 1)),
    ],
)
def test_the_month_is_the_one_in_sao_paulo(now, day):
    assert quotas.there_again_on(now) == day
