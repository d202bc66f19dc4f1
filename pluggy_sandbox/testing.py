"""
A sandbox for tests, served from a thread.

    with running_sandbox(seed=1) as sandbox:
        client = Pluggy(sandbox.url, sandbox.client_id, sandbox.client_secret)
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from pluggy_sandbox.lifecycle import resumption
from pluggy_sandbox.server.app import create_app
from pluggy_sandbox.server.http import make_server
from pluggy_sandbox.settings import Settings
from pluggy_sandbox.state.keeper import Keeper
from pluggy_sandbox.state.sandbox import Sandbox
from pluggy_sandbox.state.world import Origin

CLIENT_ID = "00000000-0000-4000-8000-000000000001"
CLIENT_SECRET = "pluggy_sk_sandbox_not_a_real_secret"  # noqa: S105 - made up


# Real time is short in tests, and virtual time stands still.
_CONVENIENT = {
    "limits": False,
    "open_finance_quotas": False,
    "min_update_frequency_hours": 0,
    "run_seconds": 0.05,
}


@dataclass
class RunningSandbox:
    """Where it is and how to sign in; `control` reaches its control surface."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    sandbox: Sandbox
    control: httpx.Client

    def settle(self, timeout_seconds: float = 30) -> None:
        """
        Wait until no execution is in progress and no delivery is on its way.

        Raises:
            TimeoutError: it took too long.
        """
        answer = self.control.post("/settle", json={"timeoutSeconds": timeout_seconds}, timeout=timeout_seconds + 5)
        if not answer.json()["settled"]:
            raise TimeoutError("the sandbox did not settle")


@contextmanager
def running_sandbox(
    seed: int = 1,
    *,
    start: datetime | None = None,
    client_id: str = CLIENT_ID,
    client_secret: str = CLIENT_SECRET,
    state: Path | None = None,
    **switches: Any,
) -> Iterator[RunningSandbox]:
    """
    Serve a sandbox on a free loopback port while the block runs.

    *start* is where its clock begins, the real now if None. *state* is a folder in which everything is kept for the
    next one that is given it. *switches* are fields of `Settings`; the limits of
    requests per minute are off unless asked for.
    """
    settings = Settings(**{**_CONVENIENT, **switches})
    keeper = Keeper(state) if state else None
    sandbox = Sandbox(Origin(client_id, client_secret, seed, start, settings), keeper)
    server = make_server(create_app(sandbox), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.bind_addr[1]}"
    sandbox.locate(url)
    resumption.resume(sandbox.world)
    thread = threading.Thread(target=server.serve, name="sandbox-server", daemon=True)
    thread.start()
    try:
        with httpx.Client(base_url=f"{url}/_sandbox", timeout=60, trust_env=False) as control:
            yield RunningSandbox(url, client_id, client_secret, sandbox, control)
    finally:
        sandbox.world.release()
        server.stop()
        thread.join()
        sandbox.close()
