"""Making the Flask app: every subject is on it, and making it connects to nothing."""

import pytest

from tests.kit.factories import a_settings
from webhook_app.app import create_app


@pytest.fixture(scope="module")
def app():
    # Nobody listens at the addresses of these settings.
    return create_app(a_settings(WEBHOOK_MAX_BYTES="12345"))


@pytest.mark.parametrize(
    "address, method",
    [
        ("/", "GET"),
        ("/health", "GET"),
        ("/ready", "GET"),
        ("/metrics", "GET"),
        ("/webhooks/pluggy", "POST"),
        ("/act/a-token", "GET"),
        ("/v1/items", "GET"),
    ],
)
def test_every_subject_has_its_address(app, address, method):
    app.url_map.bind("localhost").match(address, method)


def test_a_slash_at_the_end_makes_no_difference(app):
    assert app.test_client().get("/health/").status_code == app.test_client().get("/health").status_code == 200


def test_no_body_may_be_larger_than_the_largest_delivery(app):
    assert app.config["MAX_CONTENT_LENGTH"] == 12345


def test_two_apps_of_one_process_have_their_own_resources(resources, settings):
    one, other = create_app(settings, resources), create_app(a_settings())

    assert one.test_client().get("/ready").status_code == 200
    assert other.test_client().get("/ready").status_code == 503
