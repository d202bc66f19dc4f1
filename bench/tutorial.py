"""
What a tutorial would have: a Flask view that compares the header and sends a Celery task. It stores nothing, and what
it acknowledged is lost when Redis is. `noop` does not even that.
"""

import os

from celery import Celery
from flask import Flask, Response, jsonify, request

tutorial = Flask("tutorial")
noop = Flask("noop")
_celery = Celery("tutorial", broker=os.environ["REDIS_URL"])
_secret = os.environ["WEBHOOK_SECRETS"]


@tutorial.post("/webhooks/pluggy")
def receive() -> tuple[Response, int]:
    """Queue an event."""
    if request.headers.get("X-Webhook-Secret") != _secret:
        return jsonify({"error": "unauthorized"}), 401
    _celery.send_task("handle_event", args=[request.get_json()], ignore_result=True)
    return jsonify({"status": "ok"}), 202


@noop.post("/webhooks/pluggy")
def do_nothing() -> tuple[Response, int]:
    """Answer."""
    return jsonify({"status": "ok"}), 202


@tutorial.get("/health")
@noop.get("/health")
def health() -> Response:
    """Answer that it is up."""
    return jsonify({"status": "ok"})
