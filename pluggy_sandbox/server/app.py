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
    status_page,
    transactions,
    webhooks,
)
from pluggy_sandbox.api.answers import world
from pluggy_sandbox.control import incidents, openapi, overview, page
from pluggy_sandbox.control import views as control
from pluggy_sandbox.state.sandbox import Sandbox

_API = (auth, connectors, items, accounts, transactions, data_products, categories, webhooks, status_page)


def create_app(sandbox: Sandbox) -> Flask:
    """Return the WSGI application that serves *sandbox*."""
    app = Flask("pluggy_sandbox")  # whose static files and templates it serves
    app.extensions["sandbox"] = sandbox
    app.url_map.strict_slashes = False  # programs in use against Pluggy call `/accounts/` (Pluggy facts 13.16)
    app.url_map.merge_slashes = False
    gate.install(app)
    for module in _API:
        app.register_blueprint(module.blueprint)
    app.register_blueprint(control.blueprint)
    app.register_blueprint(incidents.blueprint)
    app.register_blueprint(overview.blueprint)
    app.register_blueprint(page.blueprint)
    app.register_blueprint(openapi.blueprint)
    app.after_request(_keep)
    return app


def _keep(response: Response) -> Response:
    world().keep()
    return response
