"""
A stand-in for the product: verifies each notification's signature, keeps it, logs it and shows it.

It is also the shortest example of what a product has to do. A notification may come twice, under the same id.
"""

import json
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask import Flask, Response, render_template, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from werkzeug.serving import make_server

from standalone.ports import LOOPBACK

# On its page.
NEWEST = 50
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#1d5fd1"/>'
    '<path d="M4 8h8M8 4l4 4-4 4" fill="none" stroke="#fff" stroke-width="2"/></svg>'
)


class Mailbox:
    """The notifications that came, in order, each once; in *file* too, so that they outlast the process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        lines = file.read_text().splitlines() if file.exists() else []
        self._kept: dict[str, dict[str, Any]] = {entry["id"]: entry for entry in map(json.loads, lines)}
        self.repeated = 0
        self.refused = 0

    def keep(self, notification_id: str, body: dict[str, Any]) -> bool:
        """Keep a notification; return False when it was here before."""
        with self._lock:
            if notification_id in self._kept:
                self.repeated += 1
                return False
            entry = {"id": notification_id, "receivedAt": datetime.now(UTC).isoformat(), **body}
            self._kept[notification_id] = entry
            with self._file.open("a") as lines:
                lines.write(json.dumps(entry) + "\n")
            return True

    def all(self) -> list[dict[str, Any]]:
        """Return what was kept, oldest first."""
        with self._lock:
            return list(self._kept.values())


def create_app(secrets: list[str], mailbox: Mailbox, links: Sequence[tuple[str, str]] = ()) -> Flask:
    """
    Return the product's endpoint. A signature of any one of *secrets* is good: they rotate.

    Its page leads on to *links*, names with their addresses.
    """
    app = Flask(__name__)
    verifiers = [Webhook(secret) for secret in secrets]

    @app.post("/")
    def receive() -> tuple[dict[str, str], int]:
        body = _verified(verifiers, request.get_data(), dict(request.headers))
        if body is None:
            mailbox.refused += 1
            _log("notification.refused", level="warning", reason="no good signature")
            return {"result": "refused"}, 401
        new = mailbox.keep(request.headers["webhook-id"], body)
        if new:
            _log("notification.received", **_summary(body))
        return {"result": "kept" if new else "repeated"}, 200

    @app.get("/notifications")
    def notifications() -> dict[str, Any]:
        return {"results": mailbox.all(), "repeated": mailbox.repeated, "refused": mailbox.refused}

    @app.get("/")
    def page() -> str:
        kept = mailbox.all()
        return render_template(
            "receiver.html",
            links=links,
            newest=kept[: -NEWEST - 1 : -1],
            total=len(kept),
            repeated=mailbox.repeated,
            refused=mailbox.refused,
            says=_says,
        )

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(_ICON, content_type="image/svg+xml")

    return app


def _verified(verifiers: list[Webhook], body: bytes, headers: dict[str, str]) -> dict[str, Any] | None:
    for verifier in verifiers:
        try:
            verifier.verify(body, headers, json_parse=False)
        except WebhookVerificationError:
            continue
        notification: dict[str, Any] = json.loads(body)
        return notification
    return None


def _says(data: dict[str, Any]) -> Iterator[str]:
    """Yield what the page shows of a notification's data, beside whom it is about."""
    action, run = data.get("action") or {}, data.get("run") or {}
    if action:
        outcome = action.get("outcome")
        yield f"{action.get('kind')}: {outcome}" if outcome else str(action.get("kind"))
    if "error" in run:
        yield str(run["error"])
    elif run:
        yield from (f"{run.get(name)} {name}" for name in ("added", "modified", "removed"))
    # Of a connector, or of an Item that is stale.
    yield from (str(data[name]) for name in ("name", "status", "reason") if data.get(name))


def _summary(body: dict[str, Any]) -> dict[str, Any]:
    data = body.get("data", {})
    action, run = data.get("action", {}), data.get("run", {})
    return {
        "type": body.get("type"),
        "item_id": data.get("itemId"),
        "kind": action.get("kind"),
        "outcome": action.get("outcome"),
        "connector_id": data.get("connectorId"),
        **{name: data.get(name) for name in ("name", "status")},
        **{name: run.get(name) for name in ("added", "modified", "removed")},
    }


def _log(event: str, *, level: str = "info", **fields: Any) -> None:
    click.echo(json.dumps({"event": event, "level": level, **fields}))


@click.command()
@click.option("--port", type=int, default=8002, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), required=True, help="File that keeps what came.")
@click.option("--link", "links", type=(str, str), multiple=True, help="Name and address that its page leads on to.")
def main(port: int, keep: Path, links: tuple[tuple[str, str], ...]) -> None:
    """Receive notifications as a product would; its secrets come from PRODUCT_WEBHOOK_SECRET."""
    secrets = [secret for secret in os.environ.get("PRODUCT_WEBHOOK_SECRET", "").split(",") if secret]
    if not secrets:
        raise click.UsageError("PRODUCT_WEBHOOK_SECRET is not set")
    # A line for each request would say again what we log.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server(LOOPBACK, port, create_app(secrets, Mailbox(keep), links), threaded=True)
    click.echo(f"receiving at http://{LOOPBACK}:{port}/")
    server.serve_forever()


if __name__ == "__main__":
    main()
