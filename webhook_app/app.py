"""Making the Flask app."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from pluggy_sync.resources import Resources, create_resources
from pluggy_sync.settings import Settings
from pluggy_sync.store.database import WEB
from webhook_app import api_tokens, app_resources, errors, front_page, health, metrics, request_ids
from webhook_app.api import registration
from webhook_app.api_tokens import ApiTokens
from webhook_app.exact_json import ExactJSON
from webhook_app.front.areas import threads
from webhook_app.intake import view as intake
from webhook_app.intake.intake import Intake
from webhook_app.person import page
from webhook_app.pluggy_copy import registration as pluggy_copy


def create_app(settings: Settings, resources: Resources | None = None) -> Flask:
    """Return the app for *settings*; *resources* are made from them unless given."""
    app = Flask("webhook_app")
    app.url_map.strict_slashes = False
    if settings.trusted_proxy_hops:
        # `remote_addr` is the client, as the farthest of our proxies saw it. Nothing else of theirs is believed.
        # Mypy objects to any assignment to a method; Werkzeug documents this one.
        hops = settings.trusted_proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=0, x_host=0, x_port=0, x_prefix=0)  # type: ignore[method-assign]
    # The largest body of any address. Some take less.
    app.config["MAX_CONTENT_LENGTH"] = settings.webhook_max_bytes
    app.json = ExactJSON(app)
    res = resources or create_resources(settings, WEB, pool_size=(threads(settings) + 1) // 2)
    app_resources.keep(app, res)
    api_tokens.keep(app, ApiTokens(settings, res.database))
    intake.keep(app, Intake(res))
    app.register_blueprint(front_page.blueprint)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(intake.blueprint)
    app.register_blueprint(page.blueprint)
    app.register_blueprint(metrics.blueprint)
    request_ids.register(app)
    registration.register(app, server=settings.public_url)
    pluggy_copy.register(app)
    # Last: flask-smorest registers handlers of its own.
    errors.register(app)
    return app
