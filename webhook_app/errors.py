"""
Errors as the product sees them: RFC 9457 `application/problem+json` with a stable `code` and a `requestId`. A person
sees a page instead.

The answer says what is wrong with a request. What is wrong with us is logged, and the answer only names it.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, abort, current_app, request
from sqlalchemy.exc import DataError, SQLAlchemyError
from werkzeug.exceptions import HTTPException

from pluggy_sync.engine.errors import CannotActError, PersonNeededError
from pluggy_sync.notifications import action_view
from pluggy_sync.pluggy.errors import PluggyLimitedError, PluggyRefusedError, PluggyUnavailableError
from pluggy_sync.rules import refusals
from webhook_app import app_resources, problems, request_ids
from webhook_app.api_tokens import CannotTellError
from webhook_app.front.calls import REFUSED
from webhook_app.person import notices
from webhook_app.pluggy_copy import answers as pluggy_copy
from webhook_app.problems import ProblemError

log = structlog.get_logger(__name__)


def register(app: Flask) -> None:
    """Turn every error of *app* into a problem, or a page."""
    app.before_request(_refuse)
    app.register_error_handler(ProblemError, _of_problem)
    app.register_error_handler(CannotActError, _of_refusal)
    app.register_error_handler(PersonNeededError, _of_person_needed)
    app.register_error_handler(PluggyUnavailableError, _of_pluggys_trouble)
    app.register_error_handler(PluggyRefusedError, _of_pluggys_refusal)
    app.register_error_handler(CannotTellError, _of_unknown_token)
    app.register_error_handler(DataError, _of_data)
    app.register_error_handler(SQLAlchemyError, _of_database)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _of_bug)


def _refuse() -> None:
    """Refuse a request whose body the front did not read, because it was too large or too slow."""
    status = request.environ.get(REFUSED)
    if status is not None:
        abort(status)


def _problem(
    status: int,
    code: str,
    detail: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    if pluggy_copy.holds(request.path):
        # Who asks speaks Pluggy's language.
        return pluggy_copy.refusal(status, detail or problems.title_of(status), headers=headers)
    if notices.is_page(request.path):
        page = notices.of_status(status, retry_after=(headers or {}).get("Retry-After"))
        page.headers.extend(headers or {})
        return page
    body = {
        "type": problems.address_of(code),
        "title": problems.title_of(status),
        "status": status,
        "detail": detail,
        "code": code,
        "requestId": request_ids.request_id(),
        **(more or {}),
    }
    response = current_app.response_class(
        current_app.json.dumps(body), status=status, mimetype="application/problem+json"
    )
    response.headers.extend(headers or {})
    return response


def _of_problem(error: ProblemError) -> Response:
    return _problem(error.status, error.code, error.detail, headers=error.headers, more=error.more)


def _of_refusal(error: CannotActError) -> Response:
    return _of_problem(ProblemError(error.code, error.detail, more=error.more))


def _of_person_needed(error: PersonNeededError) -> Response:
    res = app_resources.resources()
    action = action_view.of_row(error.action, res.links, res.texts)
    return _of_problem(ProblemError("action-required", more={"action": action}))


def _of_pluggys_trouble(error: PluggyUnavailableError) -> Response:
    log.warning("api.pluggy_failed", error=str(error))
    if not isinstance(error, PluggyLimitedError):
        return _of_problem(ProblemError("pluggy-unavailable", headers={"Retry-After": "10"}))
    wait = {"Retry-After": str(round(error.retry_after_s))}
    if pluggy_copy.holds(request.path):
        return pluggy_copy.refusal(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests", headers=wait)
    return _of_problem(ProblemError("pluggy-busy", headers=wait))


def _of_pluggys_refusal(error: PluggyRefusedError) -> Response:
    """Say what a refusal that nobody expected means to the caller. A 400 is about what the caller gave."""
    log.warning("api.pluggy_failed", error=str(error))
    said = {} if error.code is None else {"pluggyCode": error.code}
    if error.status == HTTPStatus.NOT_FOUND:
        return _of_problem(ProblemError(refusals.GONE, more=said))
    if error.status == HTTPStatus.BAD_REQUEST:
        return _of_problem(ProblemError(problems.INVALID_REQUEST, "Pluggy does not accept these values.", more=said))
    return _of_problem(ProblemError(refusals.REFUSED, more=said))


def _of_unknown_token(_error: CannotTellError) -> Response:
    """Answer 503: Postgres is away, and nobody knows whether the token is valid."""
    return _of_unavailable()


def _of_data(_error: DataError) -> Response:
    """Answer 400: Postgres cannot store a value, such as a null character. That is the request's fault."""
    detail = "A value holds characters or numbers that are not allowed."
    return _of_problem(ProblemError(problems.INVALID_REQUEST, detail))


def _of_database(error: Exception) -> Response:
    log.error("api.database_failed", exc_info=error)
    return _of_unavailable()


def _of_unavailable() -> Response:
    return _of_problem(ProblemError(problems.UNAVAILABLE, headers={"Retry-After": "5"}))


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:
        return current_app.make_response(error.get_response())
    data: Mapping[str, Any] = getattr(error, "data", {}) or {}
    faults = list(_faults(data.get("messages") or {}))
    headers = {name: value for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")}
    return _problem(
        status,
        _code_of(status),
        "Some values are missing or wrong." if faults else error.description,
        headers=headers,
        more={"errors": faults} if faults else None,
    )


def _code_of(status: int) -> str:
    """Return the code for what the web framework refuses; for a status without one, whose fault it is."""
    return problems.CODE_OF_STATUS.get(status, problems.INVALID_REQUEST if status < 500 else problems.INTERNAL_ERROR)


def _of_bug(error: Exception) -> Response:
    log.error("api.failed", exc_info=error)
    return _of_problem(ProblemError(problems.INTERNAL_ERROR))


def _faults(messages: Any, where: tuple[str, ...] = ()) -> Iterator[dict[str, str]]:
    """Yield `{where, field, message}` for each fault in the nested *messages* of marshmallow."""
    if isinstance(messages, Mapping):
        for name, each in messages.items():
            yield from _faults(each, (*where, str(name)))
    elif isinstance(messages, list):
        for each in messages:
            yield from _faults(each, where)
    else:
        yield {"where": ".".join(where[:1]), "field": ".".join(where[1:]), "message": str(messages)}
