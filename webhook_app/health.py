"""`/health`: the process answers. `/ready`: Postgres and Redis answer too."""

import sqlalchemy as sa
from flask import Blueprint, Response, jsonify
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from webhook_app.app_resources import resources

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> Response:
    """Answer that the process is alive."""
    return jsonify({"status": "ok"})


@blueprint.get("/ready")
def ready() -> tuple[Response, int]:
    """Answer 200 if all is well, 503 if Postgres is away. Without Redis webhooks are still taken, only slower."""
    postgres, redis = _postgres_answers(), _redis_answers()
    body = {"status": "ok" if postgres and redis else "degraded" if postgres else "unavailable"}
    return jsonify({**body, "postgres": postgres, "redis": redis}), 200 if postgres else 503


def _postgres_answers() -> bool:
    try:
        with resources().database.connect() as conn:
            conn.execute(sa.text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


def _redis_answers() -> bool:
    try:
        resources().redis.ping()
    except RedisError:
        return False
    return True
