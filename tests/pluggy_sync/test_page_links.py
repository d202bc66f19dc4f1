"""Links to the person's page: signed, expiring, and a link that leads to the next one does not renew itself."""

import time
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from itsdangerous import URLSafeTimedSerializer

from pluggy_sync.page_links import PAGE_LINK_LIFE_S, PageLink, PageLinks

KEY = "a-secret-key-of-the-tests-that-is-long-enough"
LIFE = timedelta(seconds=PAGE_LINK_LIFE_S)


@pytest.fixture
def links():
    return PageLinks(KEY, "https://example.com")


def test_a_link_opens_its_action_for_its_life(links):
    before = datetime.now(UTC)

    link = links.read(links.token("act_1"))

    assert link.action_id == "act_1"
    assert before + LIFE - timedelta(seconds=2) <= link.ends_at <= datetime.now(UTC) + LIFE


def test_the_link_of_the_next_action_ends_when_the_first_one_does(links):
    first = links.read(links.token("act_1"))

    second = links.read(links.following(first, "act_2"))
    third = links.read(links.following(second, "act_3"))

    assert [each.action_id for each in (second, third)] == ["act_2", "act_3"]
    assert second.ends_at == third.ends_at == first.ends_at


def test_a_following_link_whose_first_one_has_ended_opens_nothing(links):
    ended = PageLink(action_id="act_1", ends_at=datetime.now(UTC) - timedelta(seconds=1))

    assert links.read(links.following(ended, "act_2")) is None


def test_a_link_leads_back_to_where_the_product_said_also_when_it_is_over(links):
    token = links.token("act_1", "https://loja.example/conta")
    following = links.following(links.read(token), "act_2")

    assert links.read(token).return_url == links.read(following).return_url == "https://loja.example/conta"
    assert links.read(following).ends_at == links.read(token).ends_at
    with mock.patch("itsdangerous.timed.time.time", return_value=time.time() + PAGE_LINK_LIFE_S + 5):
        assert links.read(token) is None
        assert links.read_return_url(token) == "https://loja.example/conta"
    assert links.read_return_url(links.token("act_1")) is None


def test_a_link_of_another_key_leads_nowhere(links):
    token = PageLinks(KEY[::-1], "https://example.com").token("act_1", "https://evil.example")

    assert links.read_return_url(token) is None
    assert links.read_return_url(token + "x") is None


NO_LINKS = [
    *(None, 5, [], ["act_1"], ["act_1", "x"], [5, 5], {"a": 1}, ["act_1", 5, 5]),
    *(["act_1", "x", "y"], ["a", 5, "y", 1]),
]


@pytest.mark.parametrize("value", NO_LINKS, ids=str)
def test_what_is_signed_and_is_no_link_opens_nothing(links, value):
    assert links.read(URLSafeTimedSerializer(KEY, salt="person's page").dumps(value)) is None


@pytest.mark.parametrize("token", ["", "x", "é", "a.b.c", "....", "\n", "x" * 10_000])
def test_what_is_not_signed_opens_nothing(links, token):
    assert links.read(token) is None
    assert links.read(PageLinks(KEY[::-1], "https://example.com").token("act_1")) is None


def test_a_line_end_is_no_part_of_a_token(links):
    assert links.read(links.token("act_1") + "\n") is None
