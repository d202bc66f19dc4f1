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
    data_products,
    docs,
    endpoints,
    items,
    notifications,
    refresh,
    sync_runs,
)

SUBJECTS = (
    items,
    accounts,
    data_products,
    changes,
    sync_runs,
    actions,
    refresh,
    connect_tokens,
    notifications,
    endpoints,
)


def register(app: Flask) -> None:
    """Add `/v1` to *app*."""
    access.register(app)
    blueprint.register(app)
    app.config.update(docs.SETTINGS)
    api = Api(app)
    for subject in SUBJECTS:
        api.register_blueprint(subject.blueprint)
    docs.register(app, api)
