"""`/metrics`: for Prometheus, with a token of `/v1`. Any web process answers for the whole service."""

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from pluggy_sync.metrics import ServiceCollector
from pluggy_sync.rules.scopes import Scope
from webhook_app.api import access
from webhook_app.app_resources import resources

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Answer with the metrics as of now."""
    access.require_token(Scope.READ)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServiceCollector(resources()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
