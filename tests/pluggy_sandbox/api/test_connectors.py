"""Connectors, listed and shown (Pluggy facts 3.9)."""

from tests.pluggy_sandbox.driver import Driver


def test_connectors_are_listed_and_filtered(driver: Driver) -> None:
    def names(**params: str) -> set[int]:
        return {c["id"] for c in driver.api.get("/connectors", params=params).json()["results"]}

    assert names() == {200, 601}
    assert {0, 2, 5, 600} <= names(sandbox="true")
    assert names(sandbox="true", isOpenFinance="true") == {600, 601}
    assert names(sandbox="true", types="BUSINESS_BANK") == {8, 10, 11, 13}
    assert names(sandbox="true", name="cooper") == {12, 13}
    assert driver.api.get("/connectors/7").json()["codeDescription"] == "CONNECTOR_NOT_FOUND"
    one, two = (driver.api.get(f"/connectors/{n}").json() for n in (4, 5))
    assert any(c.get("mfa") for c in one["credentials"])
    assert two["hasMFA"]
    assert not any(c.get("mfa") for c in two["credentials"])
