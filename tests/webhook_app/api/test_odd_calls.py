"""Calls of everything that the document has, as it allows and otherwise, made by schemathesis."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.kit.documented import document
from tests.kit.factories import API_TOKEN
from tests.kit.service import Service
from tests.webhook_app.product import Product

CHECKS = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
CALLS = 5
# They take neither a parameter nor a body.
NOTHING_TO_GET_WRONG = {"listErasureKeys"}


def takes_nothing(operation: Any) -> bool:
    return operation.definition.raw["operationId"] in NOTHING_TO_GET_WRONG


def call(case: Any, ids: dict[str, str]) -> None:
    case.path_parameters.update({name: id_ for name, id_ in ids.items() if name in case.path_parameters})
    response = case.call(headers={"Authorization": f"Bearer {API_TOKEN}"})
    case.validate_response(response, checks=CHECKS)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_every_call_is_answered_as_the_document_says_and_none_makes_us_fail(service: Service, product: Product, mode):
    item_id = service.upstream.connect(products=None)
    service.upstream.connect(connector=5)
    service.catch_up()
    known = {
        "item_id": item_id,
        "account_id": product.get(f"/v1/items/{item_id}/accounts")["results"][0]["id"],
        "action_id": product.get("/v1/actions")["results"][0]["id"],
        "endpoint_id": product.get("/v1/endpoints")["results"][0]["id"],
        "notification_id": product.get("/v1/notifications")["results"][0]["id"],
    }
    schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", service.web.application)
    called = set()

    for operation in schema.get_all_operations():
        found = operation.ok()
        if mode is GenerationMode.NEGATIVE and takes_nothing(found):
            continue

        # Ids that exist, and those that the document allows.
        @seed(20260310)
        @settings(
            max_examples=CALLS,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=found.as_strategy(generation_mode=mode), ids=st.sampled_from([known, {}]))
        def calls(case: Any, ids: dict[str, str]) -> None:
            called.add(case.operation.definition.raw["operationId"])
            call(case, ids)

        calls()

    everything = {
        operation["operationId"]
        for operations in document()["paths"].values()
        for name, operation in operations.items()
        if name != "parameters"
    }
    assert everything - called == (NOTHING_TO_GET_WRONG if mode is GenerationMode.NEGATIVE else set())
