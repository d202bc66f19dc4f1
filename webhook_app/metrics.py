"""`/metrics`: for Prometheus, with a token of `/v1`. Any web process answers for the whole service."""

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from pluggy_sync.metrics import ServiceCollector
from webhook_app.api import access
from webhook_app.app_resources import resources
from webhook_app.errors import ProblemError

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Answer with the metrics as of now."""
    if not access.authorized():
        raise ProblemError(
            401,
            "unauthorized",
            "Give a valid token: `Authorization: Bearer <token>`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServiceCollector(resources()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
