"""What tests do to a sandbox: sign in, connect people, read everything, listen for deliveries."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from pluggy_sandbox.testing import RunningSandbox

Json = dict[str, Any]
CPF = "761.092.776-73"


class Bearer:
    """The API with another key."""

    def __init__(self, api: httpx.Client, key: str) -> None:
        self._api = api
        self._headers = {"X-API-KEY": key}

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self._api.get(path, headers=self._headers, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self._api.post(path, headers=self._headers, **more)

    def patch(self, path: str, **more: Any) -> httpx.Response:
        return self._api.patch(path, headers=self._headers, **more)

    def delete(self, path: str) -> httpx.Response:
        return self._api.delete(path, headers=self._headers)


class Driver:
    """A client of the API with a key, and of the control surface."""

    def __init__(self, sandbox: RunningSandbox, api: httpx.Client) -> None:
        self.sandbox = sandbox
        self.api = api
        self.control = sandbox.control

    def sign_in(self) -> str:
        body = {"clientId": self.sandbox.client_id, "clientSecret": self.sandbox.client_secret}
        key: str = self.api.post("/auth", json=body).json()["apiKey"]
        self.api.headers["X-API-KEY"] = key
        return key

    def using(self, key: str) -> Bearer:
        return Bearer(self.api, key)

    def create(
        self, user: str = "user-ok", connector: int = 2, password: str = "password-ok", **more: Any
    ) -> httpx.Response:
        parameters = {"user": user, "password": password, **more.pop("parameters", {})}
        return self.api.post("/items", json={"connectorId": connector, "parameters": parameters, **more})

    def connect(self, user: str = "user-ok", connector: int = 2, **more: Any) -> str:
        """Connect, let the execution end or stop, and return the Item's id."""
        answer = self.create(user, connector, **more)
        assert answer.status_code == 200, answer.text
        self.sandbox.settle()
        item_id: str = answer.json()["id"]
        return item_id

    def connect_open_finance(self, cpf: str = CPF, **more: Any) -> str:
        answer = self.api.post("/items", json={"connectorId": 600, "parameters": {"cpf": cpf}, **more})
        assert answer.status_code == 200, answer.text
        self.sandbox.settle()
        item_id: str = answer.json()["id"]
        return item_id

    def item(self, item_id: str) -> Json:
        answer = self.api.get(f"/items/{item_id}")
        assert answer.status_code == 200, answer.text
        item: Json = answer.json()
        return item

    def state(self, item_id: str) -> str:
        item = self.item(item_id)
        return f"{item['status']} {item['executionStatus']}"

    def update(self, item_id: str, body: Json | None = None) -> httpx.Response:
        answer = self.api.patch(f"/items/{item_id}", json=body or {})
        self.sandbox.settle()
        return answer

    def run(self, item_id: str) -> None:
        assert self.control.post(f"/items/{item_id}/run", json={}).status_code == 200
        self.sandbox.settle()

    def mfa(self, item_id: str, **value: object) -> httpx.Response:
        answer = self.api.post(f"/items/{item_id}/mfa", json=value)
        self.sandbox.settle()
        return answer

    def do(self, item_id: str, what: str, **body: Any) -> Json:
        answer = self.control.post(f"/items/{item_id}/{what}", json=body)
        assert answer.status_code == 200, answer.text
        self.sandbox.settle()
        done: Json = answer.json()
        return done

    def evolve(self, item_id: str, *changes: Json, **more: Any) -> Json:
        return self.do(item_id, "evolve", changes=list(changes), **more)

    def advance(self, **by: float) -> None:
        names = {"seconds": "advanceSeconds", "days": "advanceDays"}
        answer = self.control.post("/clock", json={names[name]: value for name, value in by.items()})
        assert answer.status_code == 200, answer.text
        self.sandbox.settle()

    def settings(self, **values: Any) -> None:
        answer = self.control.put("/settings", json=values)
        assert answer.status_code == 200, answer.text

    def faults(self, **values: Any) -> None:
        answer = self.control.put("/faults", json=values)
        assert answer.status_code == 200, answer.text

    def accounts(self, item_id: str, **params: str) -> list[Json]:
        results: list[Json] = self.api.get("/accounts", params={"itemId": item_id, **params}).json()["results"]
        return results

    def account(self, item_id: str, kind: str = "BANK") -> Json:
        return self.accounts(item_id, type=kind)[0]

    def pages(self, account_id: str, **params: str) -> Iterator[Json]:
        """Yield every page, following `next` as it comes."""
        query: str | None = str(httpx.QueryParams({"accountId": account_id, **params}))
        while query is not None:
            answer = self.api.get(f"/v2/transactions?{query.lstrip('?')}")
            assert answer.status_code == 200, answer.text
            page = answer.json()
            yield page
            query = page["next"]

    def transactions(self, account_id: str, **params: str) -> list[Json]:
        return [row for page in self.pages(account_id, **params) for row in page["results"]]

    def everything(self, item_id: str) -> dict[str, Json]:
        """Return all transactions of an Item by id."""
        return {row["id"]: row for a in self.accounts(item_id) for row in self.transactions(a["id"])}

    def truth(self, item_id: str) -> Json:
        truth: Json = self.control.get(f"/items/{item_id}/truth").json()
        return truth

    def register(self, url: str, event: str = "all", **more: Any) -> Json:
        answer = self.api.post("/webhooks", json={"url": url, "event": event, **more})
        assert answer.status_code == 200, answer.text
        hook: Json = answer.json()
        return hook

    def deliveries(self) -> list[Json]:
        results: list[Json] = self.control.get("/deliveries").json()["results"]
        return results


@dataclass
class Received:
    payload: Json
    headers: dict[str, str]
    path: str
    body: bytes


@dataclass
class Receiver:
    """A webhook receiver that remembers what came, and answers as `status` says."""

    url: str
    received: list[Received] = field(default_factory=list)
    status: Callable[[Received], int] = lambda _: 200

    @property
    def events(self) -> list[str]:
        return [r.payload["event"] for r in self.received]

    def of(self, event: str) -> list[Json]:
        return [r.payload for r in self.received if r.payload["event"] == event]


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    receiver = Receiver("")
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got = Received(json.loads(body), {k.lower(): v for k, v in self.headers.items()}, self.path, body)
            with lock:
                receiver.received.append(got)
                status = receiver.status(got)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
        yield receiver
        server.shutdown()
        thread.join()
