"""The Flask application: the API, the control surface, the page."""

from flask import Flask

from pluggy_sandbox.api import accounts, auth, categories, connectors, gate, items, products, transactions, webhooks
from pluggy_sandbox.control import browsing, openapi
from pluggy_sandbox.control import views as control
from pluggy_sandbox.sandbox import Sandbox

_API = (auth, connectors, items, accounts, transactions, products, categories, webhooks)


def create_app(sandbox: Sandbox) -> Flask:
    """Return the WSGI application that serves *sandbox*."""
    app = Flask(__name__)
    app.extensions["sandbox"] = sandbox
    gate.install(app)
    for module in _API:
        app.register_blueprint(module.blueprint)
    app.register_blueprint(control.blueprint)
    app.register_blueprint(browsing.blueprint)
    app.register_blueprint(openapi.blueprint)
    return app
