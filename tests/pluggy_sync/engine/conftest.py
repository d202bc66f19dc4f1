"""A proxy before the sandbox, for what the sandbox would never show."""

from collections.abc import Iterator

import pytest

from pluggy_sandbox.testing import RunningSandbox
from pluggy_sync.settings import Settings
from standalone.servers import Valkey
from tests.kit.factories import a_settings
from tests.kit.proxy import Proxy, running_proxy


@pytest.fixture
def proxy(sandbox: RunningSandbox) -> Iterator[Proxy]:
    """A proxy that changes Pluggy's answers as the test says."""
    with running_proxy(sandbox.url) as running:
        yield running


@pytest.fixture
def behind_proxy(database_url: str, valkey: Valkey, sandbox: RunningSandbox, proxy: Proxy) -> Settings:
    """The settings of a service that asks Pluggy by way of the proxy."""
    return a_settings(
        DATABASE_URL=database_url,
        REDIS_URL=valkey.url,
        PLUGGY_API_URL=proxy.url,
        PLUGGY_CLIENT_ID=sandbox.client_id,
        PLUGGY_CLIENT_SECRET=sandbox.client_secret,
    )
