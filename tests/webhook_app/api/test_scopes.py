"""Each operation of `/v1` asks for a scope, says which, and refuses a token that has less."""

import re

import pytest

from pluggy_sync.rules.scopes import Scope
from pluggy_sync.store import api_tokens
from tests.kit.documented import document
from tests.kit.factories import NOON
from webhook_app.api import scopes

OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in document()["paths"].items()
    for method, operation in methods.items()
    if method != "parameters"
}
# Said here once more: the test must not believe what it tests.
LESSER = {Scope.READ: set(), Scope.ACT: {Scope.READ}, Scope.ADMIN: {Scope.READ, Scope.ACT}}
ID = "33333333-3333-4333-8333-333333333333"


@pytest.fixture
def call(web, database):
    """Call with a token of this scope."""
    with database.begin() as conn:
        tokens = {each: api_tokens.create(conn, each, each, now=NOON)[1] for each in Scope}

    def call(scope, operation_id):
        method, path, _ = OPERATIONS[operation_id]
        address = re.sub(r"\{item_id\}", ID, path)
        address = re.sub(r"\{product\}", "loans", address)
        address = re.sub(r"\{\w+\}", "nothing", address)
        return web.open(address, method=method, headers={"Authorization": f"Bearer {tokens[scope]}"})

    return call


def test_each_operation_has_a_scope_and_no_scope_is_of_another():
    """If this fails: name the operation in `webhook_app/api/scopes.py`, under the least scope that should do it."""
    assert OPERATIONS.keys() == scopes.SCOPE_OF_OPERATION.keys() | scopes.OPEN


def test_what_only_reads_asks_for_no_more_than_read_but_for_the_endpoints():
    by_get = {name for name, (method, _, _) in OPERATIONS.items() if method == "GET"}
    read = {name for name, scope in scopes.SCOPE_OF_OPERATION.items() if scope is Scope.READ}

    assert read <= by_get
    assert by_get - read - scopes.OPEN == {"listEndpoints", "showEndpoint", "listAttempts"}


def test_an_operation_that_nobody_named_asks_for_all():
    assert scopes.needed("somethingNew") is Scope.ADMIN


@pytest.mark.parametrize("operation_id", sorted(scopes.SCOPE_OF_OPERATION))
def test_the_document_says_the_scope_and_the_refusal(operation_id):
    _, _, operation = OPERATIONS[operation_id]

    assert operation["security"] == [{"token": [scopes.SCOPE_OF_OPERATION[operation_id].value]}]
    assert "insufficient-scope" in operation["responses"]["403"]["description"]


@pytest.mark.parametrize("operation_id", sorted(scopes.OPEN))
def test_what_is_open_needs_no_token_and_the_document_says_so(web, operation_id):
    method, path, operation = OPERATIONS[operation_id]

    assert operation["security"] == []
    assert web.open(path, method=method).status_code == 200


@pytest.mark.parametrize("operation_id", sorted(scopes.SCOPE_OF_OPERATION))
def test_each_operation_refuses_a_lesser_token_and_takes_one_with_its_scope(call, operation_id):
    needed = scopes.SCOPE_OF_OPERATION[operation_id]

    for scope in Scope:
        answer = call(scope, operation_id)
        if scope not in LESSER[needed]:
            assert answer.status_code not in (401, 403), answer.get_data(as_text=True)
        else:
            assert answer.status_code == 403
            assert answer.mimetype == "application/problem+json"
            assert answer.get_json()["code"] == "insufficient-scope"
            assert f"`{needed}`" in answer.get_json()["detail"]
            assert answer.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{needed}"'


def test_an_address_that_is_not_there_is_404_with_any_token_and_metrics_are_read(call, web, database):
    with database.begin() as conn:
        _, text = api_tokens.create(conn, "prometheus", Scope.READ, now=NOON)
    headers = {"Authorization": f"Bearer {text}"}

    assert web.get("/v1/nothing", headers=headers).status_code == 404
    assert web.get("/metrics", headers=headers).status_code == 200
    assert web.get("/metrics").status_code == 401


@pytest.mark.parametrize("path", ["/v1/actions", "/v1/actions/{action}", "/v1/notifications", "/v1/users/user-42"])
def test_a_token_that_may_only_read_sees_no_link_with_which_one_can_act(service, upstream, database, path):
    upstream.connect(connector=5)
    service.catch_up()
    (action,) = service.actions()
    with database.begin() as conn:
        tokens = {each: api_tokens.create(conn, each, each, now=service.res.now())[1] for each in Scope}

    shown = {
        scope: service.web.get(
            path.replace("{action}", action.id), headers={"Authorization": f"Bearer {token}"}
        ).get_data(as_text=True)
        for scope, token in tokens.items()
    }

    assert {scope: "/act/" in text for scope, text in shown.items()} == {
        Scope.READ: False,
        Scope.ACT: True,
        Scope.ADMIN: True,
    }
