"""A browser of the console, signed in, for tests without Chromium."""

import re
from dataclasses import dataclass, replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from console.pages import page_resources
from console.pages.app import create_app
from pluggy_sync.resources import Resources
from tests.kit.factories import a_settings

OPERATOR, PASSWORD = "ana", "a-password-of-the-tests"
# Cheaper than the real ones, which are to take time.
LOGIN = f"{OPERATOR}:{generate_password_hash(PASSWORD, 'scrypt:1024:8:1')}"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass(frozen=True)
class Browser:
    """What an operator does with a browser."""

    client: FlaskClient

    def get(self, address: str, **options) -> TestResponse:
        """Open a page."""
        return self.client.get(address, **options)

    def text(self, address: str, **options) -> str:
        """Return the page, which must be there."""
        answer = self.get(address, **options)
        assert answer.status_code == 200, answer.text
        return answer.text

    def send(self, page: str, action: str, **fields: str) -> TestResponse:
        """Open *page* and send a form that is on it."""
        token = _TOKEN.search(self.text(page))
        assert token is not None
        return self.client.post(action, data={"csrf_token": token[1], **fields})

    def sign_in(self, operator: str = OPERATOR, password: str = PASSWORD, **fields: str) -> TestResponse:
        """Sign in."""
        return self.send("/sign-in", "/sign-in", operator=operator, password=password, **fields)


@pytest.fixture(scope="session")
def shared_console() -> Flask:
    """The app, which is given other resources for every test."""
    return create_app(a_settings(CONSOLE_LOGINS=LOGIN))


@pytest.fixture
def console(shared_console: Flask, resources: Resources) -> Flask:
    """The app on the database of the test."""
    logins = a_settings(CONSOLE_LOGINS=LOGIN).console_logins
    page_resources.keep(shared_console, replace(resources, settings=replace(resources.settings, console_logins=logins)))
    return shared_console


@pytest.fixture
def stranger(console: Flask) -> Browser:
    """A browser in which nobody is signed in."""
    return Browser(console.test_client())


@pytest.fixture
def browser(stranger: Browser) -> Browser:
    """A browser in which the operator is signed in."""
    assert stranger.sign_in().status_code == 302
    return stranger
