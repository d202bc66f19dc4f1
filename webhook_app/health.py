"""`/health`: the process answers. `/ready`: Postgres and Redis answer too."""

import sqlalchemy as sa
from flask import Blueprint, Response, current_app, jsonify
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from webhook_app.app_resources import resources
from webhook_app.intake.view import of_app

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> Response:
    """Answer that the process is alive."""
    return jsonify({"status": "ok"})


@blueprint.get("/ready")
def ready() -> tuple[Response, int]:
    """
    Answer 200 if webhooks are taken, 503 if not: Postgres is away, or may not write as after a failover.

    Without Redis webhooks are still taken, and without Postgres too if there is a spill: whoever took this process out
    of service then would lose what it is there for.
    """
    writable, redis = _postgres_writes(), _redis_answers()
    postgres = writable is True
    takes = postgres or of_app(current_app).has_spill
    body = {"status": "ok" if postgres and redis else "degraded" if takes else "unavailable"}
    if writable is False:
        body["reason"] = "Postgres is read-only"
    return jsonify({**body, "postgres": postgres, "redis": redis}), 200 if takes else 503


def _postgres_writes() -> bool | None:
    """Return whether Postgres takes writes; None: it does not answer. A connection that cannot write is dropped."""
    try:
        with resources().database.connect() as conn:
            read_only: str = conn.execute(sa.text("SHOW transaction_read_only")).scalar_one()
            if read_only == "on":
                conn.invalidate()
                return False
    except SQLAlchemyError:
        return None
    return True


def _redis_answers() -> bool:
    try:
        resources().redis.ping()
    except RedisError:
        return False
    return True
