"""The blueprint that the subjects of `/v1` share: whatever is not declared is refused with 400."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol, TypeVar, cast

import marshmallow as ma
import msgspec
from flask import Flask, Request, current_app, request
from flask_smorest import Blueprint
from webargs.core import missing
from webargs.flaskparser import FlaskParser

from pluggy_sync import item_ids, wire
from webhook_app.problems import INVALID_REQUEST, ProblemError

_View = TypeVar("_View", bound=Callable[..., Any])


# Where a view's documentation has its problems and the types of its streams, until the document is made.
CODES = "x-codes"
STREAMS = "x-streams"


def _noted(view: Callable[..., Any]) -> dict[str, Any]:
    """Return what flask-smorest puts into the view's documentation as it is."""
    apidoc: dict[str, Any] = view.__dict__.setdefault("_apidoc", {})
    noted: dict[str, Any] = apidoc.setdefault("manual_doc", {})
    return noted


def operation_id(view: Callable[..., Any]) -> str:
    """Return the `operationId` of *view*; empty: it is none of the API's."""
    return str(getattr(view, "_apidoc", {}).get("manual_doc", {}).get("operationId", ""))


class _Decorator(Protocol):
    def __call__(self, view: _View, /) -> _View: ...


class StrictParser(FlaskParser):
    """Answers 400 to wrong values, wherever they are. Unknown ones are wrong, in the query too."""

    DEFAULT_VALIDATION_STATUS = HTTPStatus.BAD_REQUEST
    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": None}  # noqa: RUF012 - as in the class above it

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """Return the body's value, read by `wire`; `missing` if it is not sent as JSON."""
        body = req.get_data(cache=True)
        if not (body and req.is_json):
            return missing
        try:
            return wire.decode_strictly(body)
        except msgspec.DecodeError:
            fault = {"where": "json", "field": "", "message": "Not JSON, or it holds what cannot be stored."}
            raise ProblemError(INVALID_REQUEST, "The body cannot be read.", more={"errors": [fault]}) from None


class ApiBlueprint(Blueprint):  # type: ignore[misc]  # flask-smorest is not typed
    """A blueprint of `/v1`, typed as far as we use it."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, name: str, import_name: str, **options: Any) -> None:
        super().__init__(name, import_name, url_prefix="/v1", **options)

    def get(self, rule: str) -> _Decorator:
        """Answer GET."""
        return self._answer(rule, "GET")

    def post(self, rule: str) -> _Decorator:
        """Answer POST."""
        return self._answer(rule, "POST")

    def patch(self, rule: str) -> _Decorator:
        """Answer PATCH."""
        return self._answer(rule, "PATCH")

    def delete(self, rule: str) -> _Decorator:
        """Answer DELETE."""
        return self._answer(rule, "DELETE")

    def _answer(self, rule: str, method: str) -> _Decorator:
        def register(view: _View) -> _View:
            first, *others = view.__name__.split("_")
            _noted(view)["operationId"] = first + "".join(each.capitalize() for each in others)
            return cast(_View, self.route(rule, methods=[method])(view))

        return register

    def refuses(self, *codes: str) -> _Decorator:
        """Document that the view may answer with the problems *codes*, beside those of every call."""

        def note(view: _View) -> _View:
            _noted(view).setdefault(CODES, []).extend(codes)
            return view

        return note

    def streams(self, *types: str) -> _Decorator:
        """Document that the view answers with a stream of one of *types*, if the caller accepts only that."""

        def note(view: _View) -> _View:
            _noted(view)[STREAMS] = list(types)
            return view

        return note

    def arguments(self, schema: type[ma.Schema], *, location: str = "json") -> _Decorator:
        """Give the view what *schema* loads from the request's body or query."""
        return cast(_Decorator, super().arguments(schema, location=location))

    def response(
        self, status: int, schema: type[ma.Schema] | None = None, *, description: str | None = None
    ) -> _Decorator:
        """Answer with what *schema* dumps of the view's result; None: with nothing."""
        return cast(_Decorator, super().response(status, schema, description=description))

    def alt_response(self, status: int, *, schema: type[ma.Schema], description: str) -> _Decorator:
        """Document that the view may also answer with *status*."""
        return cast(_Decorator, super().alt_response(status, schema=schema, description=description))


def register(app: Flask) -> None:
    """Refuse query parameters on addresses that take none, and addresses with an id that is no Item's."""
    app.before_request(_read_item_id)
    app.before_request(_refuse_undeclared_query)


def _read_item_id() -> None:
    """Give the view the Item's id in lower case."""
    values = request.view_args
    if values is None or "item_id" not in values or not request.path.startswith("/v1/"):
        return
    try:
        values["item_id"] = item_ids.read(values["item_id"])
    except item_ids.NotAnItemIdError as exc:
        faults = [{"where": "path", "field": "itemId", "message": str(exc)}]
        raise ProblemError(INVALID_REQUEST, str(exc), more={"errors": faults}) from None


def _refuse_undeclared_query() -> None:
    if not request.args or request.endpoint is None or not request.path.startswith("/v1/"):
        return
    view = current_app.view_functions[request.endpoint]
    declared = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", [])
    if not any(parameter.get("in") == "query" for parameter in declared):
        faults = [{"where": "query", "field": name, "message": "Unknown field."} for name in request.args]
        raise ProblemError(INVALID_REQUEST, "This address takes no query parameters.", more={"errors": faults})
