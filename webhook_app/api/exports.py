"""
Lists as streams: CSV for a spreadsheet, NDJSON for a program. Memory stays flat, however many rows there are.

Tests: `api/test_exports.py`.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flask import Response, request
from werkzeug.datastructures import MIMEAccept

from pluggy_sync import wire
from webhook_app.problems import INVALID_REQUEST, ProblemError

CSV = "text/csv"
NDJSON = "application/x-ndjson"
TYPES = (CSV, NDJSON)
ROWS_PER_PART = 1000

# A spreadsheet takes a text that begins so for a formula, also after blanks. The last four are the wide forms.
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

_Row = Mapping[str, Any]


def type_asked_for() -> str | None:
    """
    Return the type of the stream that the present request asks for; None: it takes JSON.

    Raises:
        ProblemError: it asks for a page of a stream.
    """
    accepted: MIMEAccept = request.accept_mimetypes
    type_ = accepted.best_match(["application/json", *TYPES], default="application/json")
    if type_ not in TYPES:
        return None
    faults = [
        {"where": "query", "field": name, "message": "A stream has no pages."}
        for name in ("after", "limit")
        if name in request.args
    ]
    if faults:
        raise ProblemError(INVALID_REQUEST, more={"errors": faults})
    return type_


def response(parts: Iterable[Sequence[_Row]], columns: Sequence[str], type_: str, *, name: str) -> Response:
    """Return the rows of *parts* as a stream of *type_*; *columns* are those of a CSV. *name* is the file's."""
    made = _csv(parts, columns) if type_ == CSV else _ndjson(parts)
    ending = "csv" if type_ == CSV else "ndjson"
    plain = "".join(each if each.isascii() and (each.isalnum() or each in "-_") else "_" for each in name)
    headers = {"Content-Disposition": f'attachment; filename="{plain}.{ending}"', "Vary": "Accept"}
    return Response(made, mimetype=type_, headers=headers)


def _ndjson(parts: Iterable[Sequence[_Row]]) -> Iterator[bytes]:
    for part in parts:
        yield b"".join(wire.encode(row) + b"\n" for row in part)


def _csv(parts: Iterable[Sequence[_Row]], columns: Sequence[str]) -> Iterator[bytes]:
    yield _lines([columns])
    for part in parts:
        yield _lines([[_cell(row.get(column)) for column in columns] for row in part])


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    """Return *value* as a cell. A text is not read as a formula by a spreadsheet (OWASP, CSV injection)."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.lstrip(" ").startswith(_BEGINS_FORMULA) else value
    return wire.encode(value).decode()
