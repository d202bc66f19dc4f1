"""The Flask application: the API, the control surface, the page."""

from flask import Flask, Response

from pluggy_sandbox.api import (
    accounts,
    auth,
    categories,
    connectors,
    data_products,
    gate,
    items,
    transactions,
    webhooks,
)
from pluggy_sandbox.api.answers import world
from pluggy_sandbox.control import openapi, page
from pluggy_sandbox.control import views as control
from pluggy_sandbox.state.sandbox import Sandbox

_API = (auth, connectors, items, accounts, transactions, data_products, categories, webhooks)


def create_app(sandbox: Sandbox) -> Flask:
    """Return the WSGI application that serves *sandbox*."""
    app = Flask("pluggy_sandbox")  # whose static files and templates it serves
    app.extensions["sandbox"] = sandbox
    gate.install(app)
    for module in _API:
        app.register_blueprint(module.blueprint)
    app.register_blueprint(control.blueprint)
    app.register_blueprint(page.blueprint)
    app.register_blueprint(openapi.blueprint)
    app.after_request(_keep)
    return app


def _keep(response: Response) -> Response:
    world().keep()
    return response
