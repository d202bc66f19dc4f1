"""
The whole service as real processes (web server, worker with beat, Postgres, Valkey), and a person with a browser.

One stack for all tests of this folder; every test connects Items of its own. Screenshots go to build/screenshots.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pluggy_sandbox.testing import RunningSandbox, running_sandbox
from pluggy_sync import tls
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate
from standalone.servers import Postgres, running_valkey
from tests.kit.conditions import eventually
from tests.kit.factories import API_TOKEN, WEBHOOK_SECRET, an_environ
from tests.kit.web_server import running_web
from tests.kit.worker_processes import running_worker

SCREENSHOTS = Path(__file__).parents[3] / "build" / "screenshots"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Stack:
    """The running service, seen by its product and by the bank."""

    address: str
    sandbox: RunningSandbox
    api: httpx.Client
    pluggy: httpx.Client

    def connect(self, user: str = "user-ok", connector: int = 2, **parameters: str) -> dict[str, Any]:
        """Connect an Item that needs its person; return the action."""
        given = parameters or {"user": user, "password": "password-ok"}
        created = self.pluggy.post("/items", json={"connectorId": connector, "parameters": given})
        assert created.is_success, created.text
        return self.action_of(created.json()["id"])

    def action_of(self, item_id: str, **where: str) -> dict[str, Any]:
        """Return the Item's open action, once there is one."""
        query = {"itemId": item_id, "state": "open", **where}
        return eventually(lambda: self._first(query), within_s=30, what="an action is open")

    def _first(self, query: dict[str, str]) -> dict[str, Any] | None:
        return next(iter(self.api.get("/v1/actions", params=query).json()["results"]), None)

    def state_of(self, action_id: str) -> str:
        """Return the action's state."""
        return str(self.api.get(f"/v1/actions/{action_id}").json()["state"])


@pytest.fixture(scope="session")
def stack(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service on real processes, with a bank whose runs take half a second."""
    folder = tmp_path_factory.mktemp("stack")
    database_url = postgres.create_database("browser")
    engine = create_engine(database_url)
    migrate(engine)
    engine.dispose()
    with running_sandbox(seed=7, run_seconds=0.6) as sandbox, running_valkey() as valkey:
        sandbox.control.post("/clock", json={"speed": 1}).raise_for_status()
        environ = an_environ(
            DATABASE_URL=database_url,
            REDIS_URL=valkey.url,
            PLUGGY_API_URL=sandbox.url,
            PLUGGY_CLIENT_ID=sandbox.client_id,
            PLUGGY_CLIENT_SECRET=sandbox.client_secret,
            PLUGGY_CONNECT_URL=f"{sandbox.url}/pluggy-connect.js",
            SWEEP_INTERVAL_S="1",
        )
        with (
            running_web(environ, folder) as address,
            running_worker(environ, folder, beat=True),
            httpx.Client(
                base_url=address,
                headers={"Authorization": f"Bearer {API_TOKEN}"},
                trust_env=False,
                verify=tls.context(),
            ) as api,
            httpx.Client(base_url=sandbox.url, trust_env=False, verify=tls.context()) as pluggy,
        ):
            pair = {"clientId": sandbox.client_id, "clientSecret": sandbox.client_secret}
            pluggy.headers["X-API-KEY"] = pluggy.post("/auth", json=pair).json()["apiKey"]
            webhook = {
                "url": f"{address}/webhooks/pluggy",
                "event": "all",
                "headers": {"X-Webhook-Secret": WEBHOOK_SECRET},
            }
            pluggy.post("/webhooks", json=webhook).raise_for_status()
            yield Stack(address, sandbox, api, pluggy)
    postgres.drop_database("browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium of the machine."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: the person's page is only tested without a browser")
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Phone:
    """A person's browser window, and what is seen in it."""

    def __init__(self, page: Any, problems: list[str]) -> None:
        self.page = page
        self._problems = problems

    def open(self, address: str) -> None:
        """Open the page."""
        self.page.goto(address, wait_until="load")

    def sees(self, screen: str, *, within_s: float = 20) -> None:
        """Wait until the page shows *screen*."""
        self.page.wait_for_selector(f'main[data-screen="{screen}"]', timeout=within_s * 1000)

    def screenshot(self, name: str) -> None:
        """Keep what is seen, as a phone and as a desktop shows it."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        before = self.page.viewport_size
        for device, (width, height) in {"phone": (390, 844), "desktop": (1280, 800)}.items():
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.screenshot(path=SCREENSHOTS / f"{name}-{device}.png")
        self.page.set_viewport_size(before)

    def assert_nothing_went_wrong(self) -> None:
        """Check that no script failed and that nothing broke the content security policy."""
        assert self._problems == []


@pytest.fixture
def browse(chromium: Any) -> Iterator[Any]:
    """Open windows: `browse()` returns a new one, in a profile of its own."""
    contexts = []
    phones = []

    def window(**options: Any) -> Phone:
        profile = {"viewport": {"width": 390, "height": 844}, "locale": "pt-BR", "device_scale_factor": 2, **options}
        context = chromium.new_context(**profile)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if "Content Security" in line.text else None)
        phones.append(Phone(page, problems))
        return phones[-1]

    yield window
    for phone in phones:
        phone.assert_nothing_went_wrong()
    for context in contexts:
        context.close()
