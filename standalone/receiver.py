"""
A stand-in for the product: verifies each notification's signature, keeps it, prints it and shows it.

It is also the shortest example of what a product has to do. A notification may come twice, under the same id.
"""

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask import Flask, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from werkzeug.serving import make_server

from standalone.ports import LOOPBACK


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


def create_app(secrets: list[str], mailbox: Mailbox) -> Flask:
    """Return the product's endpoint. A signature of any one of *secrets* is good: they rotate."""
    app = Flask(__name__)
    verifiers = [Webhook(secret) for secret in secrets]

    @app.post("/")
    def receive() -> tuple[dict[str, str], int]:
        body = _verified(verifiers, request.get_data(), dict(request.headers))
        if body is None:
            mailbox.refused += 1
            click.secho("refused a notification: no good signature", fg="red")
            return {"result": "refused"}, 401
        new = mailbox.keep(request.headers["webhook-id"], body)
        if new:
            click.echo(_in_a_line(body))
        return {"result": "kept" if new else "repeated"}, 200

    @app.get("/notifications")
    def notifications() -> dict[str, Any]:
        return {"results": mailbox.all(), "repeated": mailbox.repeated, "refused": mailbox.refused}

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


def _in_a_line(body: dict[str, Any]) -> str:
    data = body.get("data", {})
    details = {
        "item": data.get("itemId"),
        "kind": data.get("action", {}).get("kind"),
        "outcome": data.get("action", {}).get("outcome"),
        **{name: data.get("run", {}).get(name) for name in ("added", "modified", "removed")},
    }
    shown = " ".join(f"{name}={value}" for name, value in details.items() if value is not None)
    return f"{body.get('type')} {shown}"


@click.command()
@click.option("--port", type=int, default=8002, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), required=True, help="File that keeps what came.")
def main(port: int, keep: Path) -> None:
    """Receive notifications as a product would; its secrets come from PRODUCT_WEBHOOK_SECRET."""
    secrets = [secret for secret in os.environ.get("PRODUCT_WEBHOOK_SECRET", "").split(",") if secret]
    if not secrets:
        raise click.UsageError("PRODUCT_WEBHOOK_SECRET is not set")
    server = make_server(LOOPBACK, port, create_app(secrets, Mailbox(keep)), threaded=True)
    click.echo(f"receiving at http://{LOOPBACK}:{port}/")
    server.serve_forever()


if __name__ == "__main__":
    main()
