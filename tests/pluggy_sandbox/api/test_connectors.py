"""Connectors, listed and shown (Pluggy facts 3.9)."""

from tests.pluggy_sandbox.driver import CPF, Driver


def test_connectors_are_listed_and_filtered(driver: Driver) -> None:
    def names(**params: str) -> set[int]:
        return {c["id"] for c in driver.api.get("/connectors", params=params).json()["results"]}

    assert names() == {200, 201, 601}
    assert {0, 2, 5, 600} <= names(sandbox="true")
    assert names(sandbox="true", isOpenFinance="true") == {600, 601}
    assert names(sandbox="true", types="BUSINESS_BANK") == {8, 10, 11, 13}
    assert names(sandbox="true", name="cooper") == {12, 13}
    assert driver.api.get("/connectors/7").json()["codeDescription"] == "CONNECTOR_NOT_FOUND"
    one, two = (driver.api.get(f"/connectors/{n}").json() for n in (4, 5))
    assert any(c.get("mfa") for c in one["credentials"])
    assert two["hasMFA"]
    assert not any(c.get("mfa") for c in two["credentials"])


def test_only_regulated_institutions_tell_what_they_cover(driver: Driver) -> None:
    regulated, direct = (driver.api.get(f"/connectors/{n}").json() for n in (600, 2))

    assert "INVESTMENTS:TREASURE_TITLES" in regulated["productCoverage"]
    assert "productCoverage" not in direct


def test_a_credential_says_whether_it_may_be_left_empty_and_how_to_get_it(driver: Driver) -> None:
    fields = (
        driver.api.get("/connectors/11").json()["credentials"] + driver.api.get("/connectors/4").json()["credentials"]
    )

    assert all(field["optional"] is False for field in fields)
    assert {field["name"] for field in fields if "instructions" in field} == {"certificate", "token"}


def test_health_details_count_the_applications_own_connections(driver: Driver) -> None:
    for user in ("user-ok", "user-bad", "user-unavailable", "user-connection-error"):
        driver.connect(user)

    told = driver.api.get("/connectors/2", params={"healthDetails": "true"}).json()["health"]["details"]
    driver.advance(seconds=7 * 3600)
    later = driver.api.get("/connectors/2", params={"healthDetails": "true"}).json()["health"]["details"]

    assert told == {"connectionRateLast6Hours": 50, "connectionsLast6Hours": 4}
    assert later == {"connectionRateLast6Hours": None, "connectionsLast6Hours": 0}
    assert "details" not in driver.api.get("/connectors/2").json()["health"]


def test_a_person_is_one_customer_of_an_institution_with_two_connectors(driver: Driver) -> None:
    """Each Item has accounts and rows of its own. Only the Open Finance one has the institution's own ids."""
    direct = driver.connect("user-ok", 201, parameters={"cpf": CPF})
    regulated = driver.connect("none", 601, parameters={"cpf": CPF})
    driver.do(regulated, "approve")
    stranger = driver.connect("none", 601, parameters={"cpf": "238.242.640-30"})
    driver.do(stranger, "approve")
    driver.advance(seconds=180)  # a further holder approves

    one, other = driver.account(direct), driver.account(regulated)
    assert (one["number"], one["owner"], one["balance"]) == (other["number"], other["owner"], other["balance"])
    assert one["id"] != other["id"]
    assert driver.account(stranger)["number"] != one["number"]
    assert {row["providerId"] for row in driver.transactions(one["id"])} == {None}
    assert None not in {row["providerId"] for row in driver.transactions(other["id"])}
