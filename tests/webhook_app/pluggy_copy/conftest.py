"""A program that calls `/pluggy` by HTTP, and one that asks Pluggy itself."""

from collections.abc import Iterator
from contextlib import closing

import httpx
import pluggy_sdk
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from pluggy_sandbox.testing import RunningSandbox
from pluggy_sync import tls
from standalone.http_server import running_server
from tests.kit.factories import API_TOKEN

# The official Python package takes only a UUID for a client id.
CLIENT_ID = "00000000-0000-4000-8000-00000000c0de"


@pytest.fixture(scope="module")
def served(shared_app: Flask) -> Iterator[str]:
    """The address of the web app, which works with the resources of whatever test runs."""
    with running_server(make_server("127.0.0.1", 0, shared_app, threaded=True)) as address:
        yield f"{address}/pluggy"


def _signed_in(base_url: str, client_id: str, client_secret: str) -> httpx.Client:
    client = httpx.Client(base_url=base_url, trust_env=False, verify=tls.context())
    answer = client.post("/auth", json={"clientId": client_id, "clientSecret": client_secret})
    client.headers["X-API-KEY"] = answer.raise_for_status().json()["apiKey"]
    return client


@pytest.fixture
def copy(web: FlaskClient, served: str) -> Iterator[httpx.Client]:
    """A program that has signed in at `/pluggy`."""
    with closing(_signed_in(served, CLIENT_ID, API_TOKEN)) as client:
        yield client


@pytest.fixture
def pluggy(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    """The same program at Pluggy itself."""
    with closing(_signed_in(sandbox.url, sandbox.client_id, sandbox.client_secret)) as client:
        yield client


def sdk_of(client: httpx.Client) -> pluggy_sdk.ApiClient:
    """Return the official package, with the address and the key of *client*."""
    configuration = pluggy_sdk.Configuration(
        host=str(client.base_url).rstrip("/"), api_key={"default": client.headers["X-API-KEY"]}
    )
    # A refusal is not waited out.
    configuration.retries = 0
    return pluggy_sdk.ApiClient(configuration)


@pytest.fixture
def sdks(copy: httpx.Client, pluggy: httpx.Client) -> Iterator[tuple[pluggy_sdk.ApiClient, pluggy_sdk.ApiClient]]:
    """The official package twice: at the copy, and at Pluggy itself."""
    both = sdk_of(copy), sdk_of(pluggy)
    yield both
    for each in both:
        each.rest_client.pool_manager.clear()
