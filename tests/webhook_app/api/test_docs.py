"""The API's documentation, made from the schemas."""

import re
import threading
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server

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


@pytest.fixture
def phone(web: FlaskClient, chromium: Any):
    """A browser of a phone's width, at the documentation."""
    server = make_server("127.0.0.1", 0, web.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    try:
        page.goto(f"http://127.0.0.1:{server.port}/v1/docs")
        yield page
    finally:
        page.close()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow
def test_on_a_phone_no_status_of_the_documentation_is_cut_or_broken(phone: Any):
    phone.locator(".opblock-summary-path").first.wait_for()
    phone.get_by_role("button", name="GET /v1/items/{item_id}/coverage").first.click()
    phone.locator(".responses-table .response-col_status").nth(1).wait_for()

    # Each number, and whether it stands in one line, within the screen and within its cell.
    found = phone.evaluate(
        """() => [...document.querySelectorAll(".swagger-ui :is(.info td, td.response-col_status)")]
             .filter((each) => /^[0-9]{3}$/.test(each.textContent.trim()))
             .map((each) => {
               const text = document.createRange();
               text.selectNodeContents(each);
               const [box, cell] = [text.getBoundingClientRect(), each.getBoundingClientRect()];
               const size = parseFloat(getComputedStyle(each).fontSize);
               return [each.textContent.trim(), box.height < 2 * size && box.right <= Math.min(cell.right, 390)];
             })"""
    )

    assert len(found) > 40
    assert [number for number, is_whole in found if not is_whole] == []
    # The room that each media type has, beyond what its text needs.
    left = phone.locator(".responses-table select").evaluate_all(
        """(found) => found.map((each) => {
             const style = getComputedStyle(each), pen = document.createElement("canvas").getContext("2d");
             pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
             const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
             return each.clientWidth - padding - pen.measureText(each.selectedOptions[0].text).width;
           })"""
    )
    assert min(left) >= 0, left
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
