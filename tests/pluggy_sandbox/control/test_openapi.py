"""The description of the control surface."""

import re

import pytest
from flask import Flask

from pluggy_sandbox.control import openapi
from pluggy_sandbox.server.app import create_app
from pluggy_sandbox.settings import Settings
from pluggy_sandbox.wire import switches
from tests.pluggy_sandbox.driver import Driver


@pytest.fixture
def app(driver: Driver) -> Flask:
    return create_app(driver.sandbox.sandbox)


def test_every_path_under_the_control_surface_is_described(driver: Driver, app: Flask) -> None:
    document = driver.control.get("/openapi.json").json()

    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/_sandbox/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert described == served
    assert all(op["summary"] for operations in document["paths"].values() for op in operations.values())


def test_every_described_body_belongs_to_a_path(driver: Driver) -> None:
    document = driver.control.get("/openapi.json").json()

    for method, path in (*openapi.BODIES, *openapi.QUERIES):
        assert method in document["paths"][f"/_sandbox{path}"], path


def test_every_setting_is_described_and_can_be_set_to_what_it_is(driver: Driver) -> None:
    document = driver.control.get("/openapi.json").json()
    schema = document["paths"]["/_sandbox/settings"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    values = switches.as_json(Settings())

    assert set(schema["properties"]) == set(values)
    assert driver.control.put("/settings", json=values).json() == values
