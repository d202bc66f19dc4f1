"""
The whole service as real processes (web server, worker with beat, Postgres, Valkey), a product that is told and that
persons come back to, and a person with a browser.

One stack for all tests of this folder; every test connects Items of its own. Screenshots, if wanted, go to
build/screenshots.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from pluggy_sandbox.testing import RunningSandbox, running_sandbox
from pluggy_sync import tls
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate
from pluggy_sync.store.tables import user_actions
from standalone.polling import eventually
from standalone.servers import Postgres, running_valkey
from tests.kit.chromium import SCREENSHOTS, TAKES_PICTURES, Window
from tests.kit.factories import API_TOKEN, PRODUCT_SECRET, WEBHOOK_SECRET, an_environ
from tests.kit.scripted_server import Asked, Reply, Scripted, scripted_server
from tests.kit.web_server import running_web
from tests.kit.worker_processes import running_worker


@dataclass(frozen=True)
class Stack:
    """The running service, seen by its product and by the bank."""

    address: str
    # The same service for a company that has set nothing about itself.
    neutral: str
    # The same with a Postgres that is away.
    broken: str
    product: Scripted
    database: sa.Engine
    sandbox: RunningSandbox
    api: httpx.Client
    pluggy: httpx.Client

    def connect(self, user: str = "user-ok", connector: int = 2, **parameters: str) -> dict[str, Any]:
        """Connect an Item that needs its person; return the action."""
        given = parameters or {"user": user, "password": "password-ok"}
        created = self.pluggy.post("/items", json={"connectorId": connector, "parameters": given})
        assert created.is_success, created.text
        return self.action_of(created.json()["id"])

    def action_of(self, item_id: str, *, reason: str | None = None) -> dict[str, Any]:
        """Return the Item's open action, of *reason* if given, once there is one."""
        return eventually(lambda: self._open(item_id, reason), what="an action is open")

    def _open(self, item_id: str, reason: str | None) -> dict[str, Any] | None:
        found = self.api.get("/v1/actions", params={"itemId": item_id, "state": "open"}).json()["results"]
        return next((each for each in found if reason in (None, each["reason"])), None)

    def told_of(self, action: Mapping[str, Any], type_: str = "item.action_required") -> dict[str, Any]:
        """Return the action as the product received it with a notification of *type_*."""
        return eventually(lambda: self._told(action, type_), what=f"the product is told: {type_}")

    def _told(self, action: Mapping[str, Any], type_: str) -> dict[str, Any] | None:
        received = [json.loads(asked.body) for asked in list(self.product.asked) if asked.path == "/hook"]
        told = [each["data"]["action"] for each in received if each["type"] == type_]
        return next((each for each in told if each["id"] == action["id"]), None)

    def control(self, method: str, path: str, **body: Any) -> None:
        """Make something happen at the bank."""
        self.sandbox.control.request(method, path, json=body).raise_for_status()

    def make(self, action: Mapping[str, Any], **columns: Any) -> None:
        """Write a state of an action that would take long to come about."""
        with self.database.begin() as conn:
            conn.execute(user_actions.update().where(user_actions.c.id == action["id"]).values(**columns))

    def state_of(self, action_id: str) -> str:
        """Return the action's state."""
        return str(self.api.get(f"/v1/actions/{action_id}").json()["state"])


@pytest.fixture(scope="package")
def stack(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service on real processes, with a bank whose runs take half a second."""
    folder = tmp_path_factory.mktemp("stack")
    database_url = postgres.create_database("browser")
    engine = create_engine(database_url)
    migrate(engine)
    with (
        running_sandbox(seed=7, run_seconds=0.6) as sandbox,
        running_valkey() as valkey,
        scripted_server(_as_product) as product,
    ):
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
        named = {**environ, **_company(product.url)}
        broken = {**named, "DATABASE_URL": "postgresql://127.0.0.1:1/none"}
        with (
            _web(environ, folder, "neutral") as neutral,
            _web(broken, folder, "broken") as without_postgres,
            running_web(named, folder) as address,
            # Links in notifications begin with the address of the web process.
            running_worker({**named, "PUBLIC_URL": address}, folder, beat=True),
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
            yield Stack(address, neutral, without_postgres, product, engine, sandbox, api, pluggy)
    engine.dispose()
    postgres.drop_database("browser")


_LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" fill="#0b7a5c"/>'
    b'<path d="M10 16h20l-2 15H12z" fill="#fff"/><path d="M15 16v-3a5 5 0 0 1 10 0v3" fill="none" stroke="#fff"'
    b' stroke-width="2.5"/></svg>'
)
_ACCOUNT = b'<!doctype html><html lang="pt-BR"><title>Loja X</title><main><h1>Sua conta na Loja X</h1></main></html>'


def _company(product_url: str) -> dict[str, str]:
    """Return the settings of a company that has set everything about itself."""
    return {
        "PRODUCT_NAME": "Loja X",
        "PRODUCT_LOGO_URL": f"{product_url}/logo.svg",
        "PRODUCT_COLOR": "#0b7a5c",
        "PRODUCT_HELP_URL": f"{product_url}/ajuda",
        "PRODUCT_PRIVACY_URL": f"{product_url}/privacidade",
        "PRODUCT_RETURN_URLS": f"{product_url}/conta",
        "PRODUCT_WEBHOOK_URL": f"{product_url}/hook",
        "PRODUCT_WEBHOOK_SECRET": PRODUCT_SECRET,
    }


def _as_product(asked: Asked) -> Reply:
    """Answer as the company's product: it takes notifications, and persons come back to it."""
    if asked.path == "/logo.svg":
        return Reply(_LOGO, headers={"Content-Type": "image/svg+xml"})
    if asked.path.startswith("/conta"):
        return Reply(_ACCOUNT, headers={"Content-Type": "text/html; charset=utf-8"})
    return Reply(status=200 if asked.path == "/hook" else 404)


def _web(environ: Mapping[str, str], folder: Path, name: str) -> Any:
    (folder / name).mkdir()
    return running_web(dict(environ), folder / name)


class Phone:
    """A person's browser window, and what is seen in it."""

    def __init__(self, window: Window) -> None:
        self.page = window.page
        self._window = window

    def open(self, address: str) -> None:
        """Open the page."""
        self.page.goto(address, wait_until="load")

    def sees(self, screen: str) -> None:
        """Wait until the page shows *screen*; if it does not, say what it shows."""
        try:
            self.page.wait_for_selector(f'main[data-screen="{screen}"]')
        except Exception as exc:
            exc.add_note(f"The page shows:\n{self.page.locator('body').inner_text()}")
            raise

    def may_type(self) -> None:
        """Wait until the only field has the focus; a browser gives it some time after it has loaded the page."""
        self.page.wait_for_function("document.activeElement.id === 'value'")

    def screenshot(self, name: str) -> None:
        """Keep what is seen, whole, if pictures are wanted."""
        if not TAKES_PICTURES:
            return
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        before = self.page.viewport_size
        # A picture of more than the window would be taken as if this were no phone.
        height = max(before["height"], self.page.evaluate("document.documentElement.scrollHeight"))
        self.page.set_viewport_size({"width": before["width"], "height": height})
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")
        self.page.set_viewport_size(before)

    def go_back(self) -> None:
        """Press the button that leads back to the product, and arrive there."""
        self.page.get_by_role("link", name="Voltar para a Loja X").click()
        assert self.page.get_by_role("heading").inner_text() == "Sua conta na Loja X"

    def assert_nothing_went_wrong(self) -> None:
        """Check that no script failed and that nothing broke the content security policy."""
        assert self._window.errors == []
        assert [text for _, text in self._window.said if "Content Security" in text] == []


@pytest.fixture
def browse(open_window: Callable[..., Window]) -> Iterator[Callable[..., Phone]]:
    """Open windows: `browse()` returns another one each time, in a profile of its own."""
    phones = []

    def browse(**options: Any) -> Phone:
        profile = {"viewport": {"width": 390, "height": 844}, "locale": "pt-BR", "device_scale_factor": 2, **options}
        phone = Phone(open_window(**profile))
        phones.append(phone)
        return phone

    yield browse
    for phone in phones:
        phone.assert_nothing_went_wrong()
        # Nothing of it goes on while another test runs.
        phone.page.goto("about:blank")
