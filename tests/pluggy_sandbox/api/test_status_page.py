"""Incidents: in a connector's health, and on the public status page (Pluggy facts 13.4)."""

import httpx

from tests.pluggy_sandbox.driver import Driver, Json


def begin(driver: Driver, **more: object) -> Json:
    answer = driver.control.post("/incidents", json={"connectorIds": [2], "type": "TRANSACTIONS_MISSING", **more})
    assert answer.status_code == 200, answer.text
    incident: Json = answer.json()
    return incident


def public(driver: Driver, path: str) -> Json:
    """Return what the status page says to somebody without a key."""
    answer = httpx.get(f"{driver.sandbox.url}{path}", trust_env=False)
    assert answer.status_code == 200, answer.text
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "max-age" in answer.headers["cache-control"]
    found: Json = answer.json()
    return found


def health(driver: Driver, connector_id: int = 2) -> Json:
    found: Json = driver.api.get(f"/connectors/{connector_id}").json()["health"]
    return found


def test_a_healthy_connector_speaks_of_no_incidents(driver: Driver) -> None:
    assert health(driver) == {"status": "ONLINE", "stage": None}
    assert public(driver, "/api/summary")["status"] == "operational"
    assert public(driver, "/api/connectors-incidents")["connectors"] == {}


def test_an_incident_is_in_the_health_of_its_connectors_worst_first_until_it_is_resolved(driver: Driver) -> None:
    item_id = driver.connect()
    mild = begin(driver, connectorIds=[2, 600])
    bad = begin(driver, type="INSTITUTION_OUTAGE", severity="MAJOR_OUTAGE", title="Fora do ar")

    assert [each["id"] for each in health(driver)["incidents"]] == [bad["id"], mild["id"]]
    assert [each["id"] for each in health(driver, 600)["incidents"]] == [mild["id"]]
    assert driver.item(item_id)["connector"]["health"] == health(driver)
    assert public(driver, "/api/summary")["status"] == "major_outage"
    by_connector = public(driver, "/api/connectors-incidents")["connectors"]
    assert by_connector == {str(n): health(driver, n)["incidents"] for n in (2, 600)}

    for incident in (mild, bad):
        driver.control.patch(f"/incidents/{incident['id']}", json={"state": "RESOLVED", "message": "Voltou."})

    assert "incidents" not in health(driver)
    assert public(driver, "/api/connectors-incidents")["connectors"] == {}


def test_maintenance_is_told_when_its_window_opens(driver: Driver) -> None:
    begin(driver, kind="MAINTENANCE", severity="MAINTENANCE", state="SCHEDULED", startsInSeconds=3600)

    assert "incidents" not in health(driver)
    driver.advance(seconds=3600)

    assert [each["kind"] for each in health(driver)["incidents"]] == ["MAINTENANCE"]


def test_the_status_page_keeps_the_timeline_of_an_incident_for_ninety_days(driver: Driver) -> None:
    incident = begin(driver)
    for state, message in (("IDENTIFIED", "Achamos."), ("RESOLVED", "Voltou.")):
        driver.advance(seconds=60)
        driver.control.patch(f"/incidents/{incident['id']}", json={"state": state, "message": message})

    found = public(driver, "/api/status")

    (told,) = found["incidents"]
    assert [(update["state"], update["body"]) for update in told["updates"]] == [
        ("identified", "Achamos."),
        ("resolved", "Voltou."),
    ]
    assert told["institutions"] == [{"pluggy_id": "2", "institution_name": "Pluggy Bank"}]
    bank = next(each for each in found["institutions"] if each["pluggy_id"] == "2")
    assert (bank["status"], bank["history"][-1]["status"], len(bank["history"])) == ("operational", "degraded", 90)
    driver.advance(days=91)
    assert public(driver, "/api/status")["incidents"] == []


def test_an_offline_connector_is_an_outage_on_the_status_page(driver: Driver) -> None:
    driver.control.put("/connectors/2/health", json={"status": "OFFLINE"})

    banks = {bank["pluggy_id"]: bank["status"] for bank in public(driver, "/api/status")["institutions"]}

    assert banks["2"] == "major_outage"
    assert banks["600"] == "operational"


def test_an_incident_without_sense_is_refused(driver: Driver) -> None:
    for body in (
        {},
        {"connectorIds": []},
        {"connectorIds": [2], "type": "x"},
        {"connectorIds": [2], "state": "RESOLVED"},
    ):
        assert driver.control.post("/incidents", json=body).status_code == 400, body
    assert driver.control.post("/incidents", json={"connectorIds": [7]}).status_code == 404
    assert driver.control.patch("/incidents/x", json={}).status_code == 404
