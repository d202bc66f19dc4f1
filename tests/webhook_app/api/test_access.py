"""Who may call `/v1`, and what every refusal looks like."""

import pytest
from flask.testing import FlaskClient

from tests.kit.factories import API_TOKEN, a_settings
from tests.webhook_app.product import Product
from webhook_app.app import create_app


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong-token-of-the-tests"},
        {"Authorization": f"Basic {API_TOKEN}"},
        {"Authorization": API_TOKEN},
        {"Authorization": f"Bearer {API_TOKEN}x"},
        {"Authorization": "Bearer ação"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/items", "/v1/actions/x/mfa", "/v1/no-such-address"])
def test_without_a_valid_token_everything_is_401(web: FlaskClient, headers, path):
    response = web.get(path, headers=headers)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.get_json()["code"] == "unauthorized"


def test_every_one_of_several_tokens_is_valid():
    tokens = ["first-token-of-the-tests", "second-token-of-the-tests"]
    web = create_app(a_settings(API_TOKENS=",".join(tokens))).test_client()

    # Nothing answers the database, which is asked only after the token was found right.
    answers = [web.get("/v1/items", headers={"Authorization": f"Bearer {token}"}) for token in tokens]

    assert [answer.status_code for answer in answers] == [503, 503]


def test_without_a_database_the_answer_is_503_and_tells_nothing():
    web = create_app(a_settings()).test_client()

    response = web.get("/v1/items", headers={"Authorization": f"Bearer {API_TOKEN}"})

    assert response.status_code == 503
    assert response.get_json()["code"] == "unavailable"
    assert "never_used" not in response.get_data(as_text=True)
    assert response.headers["Retry-After"]


def test_a_fault_of_ours_is_500_and_tells_nothing(settings, resources, caplog):
    web = create_app(settings, resources).test_client()

    @web.application.get("/v1/broken")
    def broken() -> None:
        raise RuntimeError("secret of a person")

    response = web.get("/v1/broken", headers={"Authorization": f"Bearer {API_TOKEN}"})

    assert response.status_code == 500
    problem = response.get_json()
    assert problem["code"] == "internal-error"
    logged = caplog.text
    assert problem["requestId"] in logged
    assert "RuntimeError" in logged
    assert "secret of a person" not in response.get_data(as_text=True) + logged


@pytest.mark.parametrize(
    "path",
    [
        "/v1/items?clientUserID=x",
        "/v1/items?limit=0",
        "/v1/items?limit=501",
        "/v1/items?limit=ten",
        "/v1/items?state=unheard-of",
        "/v1/actions?state=done",
        "/v1/items/33333333-3333-4333-8333-333333333333?expand=1",
        "/v1/actions/act_x?a=b",
        "/v1/items/33333333-3333-4333-8333-333333333333/accounts?cursor=1",
        "/v1/items/33333333-3333-4333-8333-333333333333/transactions/sync?after=1",
        "/v1/accounts/some-id/transactions?dateFrom=yesterday",
        "/v1/accounts/some-id/transactions?dateFrom=2026-02-02&dateTo=2026-02-01",
        "/v1/accounts/some-id/transactions?status=posted",
    ],
)
def test_a_query_that_is_not_declared_is_400_and_names_the_parameter(product: Product, path: str):
    problem = product.refused("GET", path, 400, "invalid-request")

    assert problem["errors"][0]["where"] == "query"
    assert problem["errors"][0]["field"] in path
    assert problem["errors"][0]["message"]


def test_what_is_not_there_is_404_and_a_wrong_method_is_405(product: Product):
    product.refused("GET", "/v1/nothing", 404, "not-found")
    product.refused("PUT", "/v1/items", 405, "method-not-allowed")


@pytest.mark.parametrize("body, code", [("{", "invalid-request"), ("x" * 70_000, "too-large")])
def test_a_body_that_cannot_be_read_is_refused(product: Product, body: str, code: str):
    status = 413 if code == "too-large" else 400

    product.refused("POST", "/v1/items", status, code, data=body, content_type="application/json")


def test_the_callers_request_id_is_kept_if_it_is_sane(web: FlaskClient):
    assert web.get("/health", headers={"X-Request-Id": "trace-1"}).headers["X-Request-Id"] == "trace-1"
    assert web.get("/health", headers={"X-Request-Id": 'x" injected'}).headers["X-Request-Id"] != 'x" injected'


@pytest.mark.parametrize("path", ["/v1/items?clientUserId=%00", "/v1/items/a%00b", "/v1/actions?itemId=x%00"])
def test_characters_that_cannot_be_stored_are_400(product: Product, path: str):
    product.refused("GET", path, 400, "invalid-request")


_DEEP = b"[" * 20_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        _DEEP,
        b'{"itemId": ' + _DEEP,
        b'{"itemId": "%s", "clientUserId": ' + _DEEP + b"]" * 20_000 + b"}",
        b'{"itemId": "%s", "clientUserId": "x\\ud83d"}',
        b'{"itemId": "%s", "clientUserId": "x\\u0000"}',
        b'{"itemId": "%s", "clientUserId": 1e9999999999999999999}',
        b'{"itemId": "%s", "clientUserId": 42}',
        b'{"itemId": "%s", "clientUserId": ["x"]}',
        b'{"itemId": "%s\\n"}',
        b'{"itemId": 1e1000000}',
        b'{"itemId": "../../auth"}',
    ],
    ids=lambda body: body[:60],
)
@pytest.mark.parametrize("content_type", ["application/json", ""])
def test_a_body_that_is_not_what_is_asked_for_is_400(product: Product, body: bytes, content_type: str):
    data = body.replace(b"%s", b"11111111-1111-4111-8111-111111111111")

    product.refused("POST", "/v1/items", 400, "invalid-request", data=data, content_type=content_type)


@pytest.mark.parametrize(
    "odd", ["%00", "%ff", "%ed%a0%80", "9" * 5000, "1e1000000", "a%0a", "%F0%9F%98%80", "x" * 5000]
)
@pytest.mark.parametrize(
    "path",
    [
        "/v1/items/{}",
        "/v1/items/{}/accounts",
        "/v1/items?clientUserId={}",
        "/v1/items?limit={}",
        "/v1/items?after={}",
        "/v1/items?{}=1",
        "/v1/actions/{}",
        "/v1/actions?itemId={}",
        "/v1/actions?clientUserId={}",
        "/v1/accounts/{}/transactions",
        "/v1/accounts/a/transactions?dateFrom={}",
        "/v1/items/11111111-1111-4111-8111-111111111111/products/{}",
        "/v1/items/11111111-1111-4111-8111-111111111111/transactions/sync?cursor={}",
    ],
)
def test_an_odd_value_in_the_address_is_the_callers_fault(product: Product, path: str, odd: str):
    assert product.call("GET", path.format(odd)).status_code in (200, 400, 404)
