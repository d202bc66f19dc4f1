"""Putting `/v1` together."""

from flask import Flask
from flask_smorest import Api

from webhook_app.api import (
    access,
    accounts,
    actions,
    blueprint,
    changes,
    connect_tokens,
    coverage,
    data_products,
    docs,
    document,
    endpoints,
    erasures,
    items,
    live_reads,
    notifications,
    refresh,
    sync_runs,
    timeline,
    users,
)

SUBJECTS = (
    items,
    accounts,
    data_products,
    live_reads,
    changes,
    coverage,
    timeline,
    sync_runs,
    actions,
    refresh,
    connect_tokens,
    notifications,
    endpoints,
    users,
    erasures,
)


def register(app: Flask, *, server: str) -> None:
    """Add `/v1` to *app*, which is reached at the address *server*."""
    access.register(app)
    blueprint.register(app)
    app.config.update(document.SETTINGS)
    blueprints = [subject.blueprint for subject in SUBJECTS]
    for each in blueprints:
        app.register_blueprint(each)
    docs.register(app, document.Document(app, Api(app), blueprints, server=server))
