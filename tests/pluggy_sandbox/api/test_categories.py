"""Categories (Pluggy facts 5.8)."""

from tests.pluggy_sandbox.driver import Driver


def test_categories_have_three_levels(driver: Driver) -> None:
    found = driver.api.get("/categories").json()["results"]
    below = driver.api.get("/categories", params={"parentId": "05000000"}).json()["results"]

    assert len(found) > 120
    assert all(c["parentDescription"] == "Transfers" for c in below)
    assert driver.api.get("/categories/02030001").json()["parentId"] == "02030000"
    assert driver.api.get("/categories/nope").status_code == 404
