"""What a person does without a key."""

import re

from tests.pluggy_sandbox.driver import Driver


def test_the_page_offers_every_test_user_and_its_parts_are_served(driver: Driver) -> None:
    page = driver.api.get("/").text

    for user in ("user-ok", "user-bad", "user-ok-phone", "user-ok-auth-pending"):
        assert f'data-user="{user}"' in page
    parts = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    assert "/static/sandbox.js" in parts
    for path in (*parts, "/pluggy-connect.js", "/pluggy-connect/v2.9.2/pluggy-connect.js", "/_sandbox/connect-demo"):
        assert driver.api.get(path).status_code == 200, path


def test_the_page_can_connect_and_answer_without_a_key(driver: Driver) -> None:
    parameters = {"user": "user-ok", "password": "password-ok"}
    item_id = driver.control.post("/items", json={"connectorId": 5, "parameters": parameters}).json()["id"]
    driver.sandbox.settle()
    driver.do(item_id, "mfa", token="123456")

    statement = driver.control.get(f"/items/{item_id}/statement?size=3").json()["results"]

    assert driver.state(item_id) == "UPDATED SUCCESS"
    assert [len(account["transactions"]) for account in statement] == [3, 3]
