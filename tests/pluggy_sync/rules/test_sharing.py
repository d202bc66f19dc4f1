"""What the bank shares of each data product."""

from datetime import timedelta

import pytest

from pluggy_sync.pluggy.payloads import Resource
from pluggy_sync.rules.sharing import Shared, Sharing, is_news, sharing_of
from tests.kit.factories import NOON


def of(product, *resources, collected=True):
    declared = [Resource(type=type_, status=status) for type_, status in resources]
    shared = Shared(collected_at=NOON, pending=False, resources=declared)
    return sharing_of(product, shared, collected=collected)


@pytest.mark.parametrize(
    "status, sharing",
    [
        ("AVAILABLE", Sharing.SHARED),
        ("UNAVAILABLE", Sharing.NOT_SHARED),
        ("TEMPORARILY_UNAVAILABLE", Sharing.TEMPORARILY_UNAVAILABLE),
        ("PENDING_AUTHORISATION", Sharing.WAITING_FOR_APPROVAL),
        ("A_STATUS_OF_TOMORROW", None),
    ],
)
def test_each_status_of_the_bank_has_its_word(status, sharing):
    assert of("loans", ("FINANCING", status)) == sharing


def test_what_the_bank_shares_and_pluggy_lacks_was_not_collected():
    assert of("loans", ("LOAN", "AVAILABLE"), collected=False) is Sharing.NOT_COLLECTED


def test_of_several_resources_the_one_that_is_missing_counts():
    assert of("transactions", ("ACCOUNT", "AVAILABLE"), ("CREDIT_CARD_ACCOUNT", "UNAVAILABLE")) is Sharing.NOT_SHARED
    assert of("accounts", ("ACCOUNT", "AVAILABLE"), ("CREDIT_CARD_ACCOUNT", "UNAVAILABLE")) is Sharing.SHARED


def test_what_the_bank_does_not_declare_it_does_not_share():
    assert of("investments", ("ACCOUNT", "AVAILABLE")) is Sharing.NOT_SHARED


def test_nothing_is_said_of_what_has_no_resources_or_could_not_be_read():
    unread = Shared(collected_at=NOON, pending=False, resources=None)

    assert of("identity", ("ACCOUNT", "AVAILABLE")) is None
    assert sharing_of("loans", None, collected=True) is None
    assert sharing_of("loans", unread, collected=True) is None


def test_the_resources_are_read_again_only_if_the_item_says_that_they_changed():
    shared = Shared(collected_at=NOON, pending=False, resources=[])

    assert is_news(None, collected_at=NOON, pending=False)
    assert is_news(None, collected_at=None, pending=True)
    assert not is_news(None, collected_at=None, pending=False)
    assert not is_news(shared, collected_at=NOON, pending=False)
    assert not is_news(shared, collected_at=None, pending=False)
    assert is_news(shared, collected_at=NOON, pending=True)
    assert is_news(shared, collected_at=NOON + timedelta(seconds=1), pending=False)
