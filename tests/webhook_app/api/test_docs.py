"""The API's documentation, made from the schemas."""

import re

from flask.testing import FlaskClient

from webhook_app.problems import STATUS_OF_CODE

# The calls of the product contract.
CONTRACT = {
    ("get", "/v1/items"),
    ("post", "/v1/items"),
    ("get", "/v1/items/{item_id}"),
    ("get", "/v1/items/{item_id}/accounts"),
    ("get", "/v1/accounts/{account_id}/transactions"),
    ("get", "/v1/items/{item_id}/transactions/sync"),
    ("get", "/v1/items/{item_id}/sync-runs"),
    ("get", "/v1/actions"),
    ("get", "/v1/actions/{action_id}"),
    ("post", "/v1/actions/{action_id}/mfa"),
    ("post", "/v1/actions/{action_id}/credentials"),
}


def test_the_document_names_every_call_of_the_contract(web: FlaskClient):
    document = web.get("/v1/openapi.json").get_json()

    calls = {(method, path) for path, each in document["paths"].items() for method in each if method != "parameters"}
    assert calls >= CONTRACT


def test_the_document_explains_every_code_of_a_problem(web: FlaskClient):
    explained = web.get("/v1/openapi.json").get_json()["info"]["description"]

    assert [code for code, status in STATUS_OF_CODE.items() if f"| `{code}` | {status} |" not in explained] == []
    assert {"bank-offline", "action-required"} <= STATUS_OF_CODE.keys()


def test_every_call_says_what_it_does_and_answers(web: FlaskClient):
    document = web.get("/v1/openapi.json").get_json()

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            assert operation.get("summary"), f"{method} {path}"
            success = [code for code in operation["responses"] if code.startswith("2")]
            assert success, f"{method} {path}"


def test_the_page_and_its_files_come_from_this_service_alone(web: FlaskClient):
    page = web.get("/v1/docs")

    assert page.status_code == 200
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.get_data(as_text=True))
    assert len(addresses) == 4
    for address in addresses:
        assert address.startswith("/v1/docs/")
        assert web.get(address).status_code == 200
    assert web.get("/v1/docs/index.css").status_code == 404
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
