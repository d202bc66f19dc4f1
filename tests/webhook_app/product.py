"""A product that calls `/v1`, and checks of what every answer must be."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from pluggy_sync import wire
from tests.kit.factories import API_TOKEN


class Product:
    """Calls the API; answers are decoded with exact numbers."""

    def __init__(self, web: FlaskClient) -> None:
        self._web = web

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        """Return the answer as it is."""
        headers = {"Authorization": f"Bearer {API_TOKEN}", **options.pop("headers", {})}
        return self._web.open(path, method=method, headers=headers, **options)

    def get(self, path: str, **query: Any) -> Any:
        """Return what a GET answers; it must be 200."""
        response = self.call("GET", path, query_string=query)
        assert response.status_code == 200, response.get_data(as_text=True)
        return wire.decode(response.get_data())

    def post(self, path: str, body: Any, status: int = 202) -> Any:
        """Return what a POST answers; it must be *status*."""
        response = self.call("POST", path, json=body)
        assert response.status_code == status, response.get_data(as_text=True)
        return wire.decode(response.get_data())

    def refused(self, method: str, path: str, status: int, code: str, **options: Any) -> Any:
        """Check that the call is refused with *status* and *code*; return the problem."""
        response = self.call(method, path, **options)
        assert response.status_code == status, response.get_data(as_text=True)
        assert response.mimetype == "application/problem+json"
        problem = response.get_json()
        assert problem["code"] == code
        assert problem["status"] == status
        assert problem["requestId"] == response.headers["X-Request-Id"]
        assert {"type", "title", "detail"} <= problem.keys()
        return problem

    def all_pages(self, path: str, **query: Any) -> list[Any]:
        """Return the rows of all pages of a list."""
        rows: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = self.get(path, **query, **after)
            rows += page["results"]
            if page["next"] is None:
                return rows
            after = {"after": page["next"]}
