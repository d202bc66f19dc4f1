"""Test users, MFA flows and Open Finance (Pluggy facts 3.2, 7.2-7.4, 8)."""

import base64

import pytest

from tests.pluggy_sandbox.driver import CPF, Driver, Receiver

ENDINGS = {
    "user-ok": "UPDATED SUCCESS",
    "user-bad": "LOGIN_ERROR INVALID_CREDENTIALS",
    "anybody": "LOGIN_ERROR INVALID_CREDENTIALS",
    "user-logged": "OUTDATED ALREADY_LOGGED_IN",
    "user-locked": "LOGIN_ERROR ACCOUNT_LOCKED",
    "user-error": "OUTDATED UNEXPECTED_ERROR",
    "user-unavailable": "OUTDATED SITE_NOT_AVAILABLE",
    "user-connection-error": "OUTDATED CONNECTION_ERROR",
    "user-not-supported": "OUTDATED USER_NOT_SUPPORTED",
    "user-account-need-actions": "OUTDATED ACCOUNT_NEEDS_ACTION",
    "user-account-need-actions-provider-message": "OUTDATED ACCOUNT_NEEDS_ACTION",
    "user-account-credentials-reset": "LOGIN_ERROR ACCOUNT_CREDENTIALS_RESET",
    "user-ok-auth-pending": "OUTDATED USER_AUTHORIZATION_PENDING",
    "user-ok-account-error": "UPDATED PARTIAL_SUCCESS",
    "user-ok-account-warning": "UPDATED SUCCESS",
    "user-ok-two-checking-accounts": "UPDATED SUCCESS",
    "user-ok-perf": "UPDATED SUCCESS",
    "user-ok-perf-50x": "UPDATED SUCCESS",
    "user-ok-perf-5001x": "LOGIN_ERROR INVALID_CREDENTIALS",
}


@pytest.mark.parametrize("user", ENDINGS)
def test_every_test_user_ends_as_the_table_says(driver: Driver, user: str) -> None:
    item = driver.item(driver.connect(user))

    assert f"{item['status']} {item['executionStatus']}" == ENDINGS[user]
    assert (item["error"] is None) == (item["status"] == "UPDATED")
    if item["error"]:
        assert item["error"]["code"] == item["executionStatus"]


def test_a_wrong_password_is_invalid_credentials(driver: Driver) -> None:
    assert driver.state(driver.connect(password="x")) == "LOGIN_ERROR INVALID_CREDENTIALS"


def test_only_one_user_brings_the_institutions_own_words(driver: Driver) -> None:
    told = driver.item(driver.connect("user-account-need-actions-provider-message"))
    untold = driver.item(driver.connect("user-account-need-actions"))

    assert told["error"]["providerMessage"]
    assert "providerMessage" not in untold["error"]


def test_a_partial_success_tells_which_product_failed(driver: Driver) -> None:
    item_id = driver.connect("user-ok-account-error")
    detail = driver.item(item_id)["statusDetail"]

    assert detail["creditCards"] == {
        "isUpdated": False,
        "lastUpdatedAt": None,
        "warnings": [
            {
                "code": "001",
                "message": "No permission for this product",
                "providerMessage": "Produto sem permissão de acesso",
            }
        ],
    }
    assert detail["accounts"]["isUpdated"] is True
    assert [a["type"] for a in driver.accounts(item_id)] == ["BANK"]


def test_warnings_do_not_make_a_success_partial(driver: Driver) -> None:
    detail = driver.item(driver.connect("user-ok-account-warning"))["statusDetail"]

    assert detail["accounts"]["warnings"]
    assert all(part["isUpdated"] for part in detail.values() if part)


def test_two_checking_accounts_are_three_accounts_with_the_card(driver: Driver) -> None:
    accounts = driver.accounts(driver.connect("user-ok-two-checking-accounts"))

    assert [a["subtype"] for a in accounts] == ["CHECKING_ACCOUNT", "CHECKING_ACCOUNT", "CREDIT_CARD"]


def test_an_execution_passes_through_its_states_in_order(driver: Driver) -> None:
    driver.settings(runSeconds=0.6)
    item_id = driver.create().json()["id"]
    seen: list[str] = []
    while not seen or seen[-1] != "SUCCESS":
        state = driver.item(item_id)["executionStatus"]
        if [state] != seen[-1:]:
            seen.append(state)

    usual = [
        "CREATED", "LOGIN_IN_PROGRESS", "ACCOUNTS_IN_PROGRESS", "CREDITCARDS_IN_PROGRESS", "TRANSACTIONS_IN_PROGRESS",
        "PAYMENT_DATA_IN_PROGRESS", "INVESTMENTS_IN_PROGRESS", "INVESTMENTS_TRANSACTIONS_IN_PROGRESS",
        "IDENTITY_IN_PROGRESS", "LOANS_IN_PROGRESS", "MERGING", "SUCCESS",
    ]  # fmt: skip
    assert seen == [state for state in usual if state in seen]
    assert len(seen) > 5


def test_two_steps_wait_for_the_token_and_go_on_with_it(driver: Driver) -> None:
    item_id = driver.connect(connector=5)
    item = driver.item(item_id)
    assert (item["status"], item["parameter"]["name"]) == ("WAITING_USER_INPUT", "token")
    assert item["parameter"]["expiresAt"]

    driver.mfa(item_id, token="123456")

    assert driver.state(item_id) == "UPDATED SUCCESS"
    assert driver.item(item_id)["parameter"] is None


def test_a_wrong_token_is_invalid_credentials_mfa(driver: Driver) -> None:
    item_id = driver.connect(connector=5)

    driver.mfa(item_id, token="000001")

    assert driver.state(item_id) == "OUTDATED INVALID_CREDENTIALS_MFA"


def test_no_token_in_time_is_a_timeout_that_names_the_parameter(driver: Driver, receiver: Receiver) -> None:
    driver.register(receiver.url)
    item_id = driver.connect(connector=5)

    driver.advance(seconds=119)
    assert driver.state(item_id) == "WAITING_USER_INPUT WAITING_USER_INPUT"
    driver.advance(seconds=2)

    assert driver.state(item_id) == "OUTDATED USER_INPUT_TIMEOUT"
    assert receiver.of("item/error")[0]["error"]["parameter"] == "token"
    assert driver.mfa(item_id, token="123456").json()["codeDescription"] == "ITEM_MFA_EXPIRED"


def test_answers_that_fit_nothing_are_told_apart(driver: Driver) -> None:
    settled, waiting = driver.connect(), driver.connect(connector=5)

    assert driver.mfa(settled, token="123456").json()["codeDescription"] == "ITEM_MFA_NOT_FOUND"
    assert driver.mfa(waiting, code="1").json()["codeDescription"] == "ITEM_MFA_PARAMETER_EXPECTED_MISMATCH"
    driver.settings(runSeconds=60)
    driver.api.post(f"/items/{waiting}/mfa", json={"token": "123456"})
    again = driver.api.post(f"/items/{waiting}/mfa", json={"token": "123456"})
    assert again.json()["codeDescription"] == "ITEM_MFA_ALREADY_PROVIDED"


def test_a_one_step_token_that_is_wrong_is_invalid_credentials_mfa(driver: Driver) -> None:
    good = driver.connect(connector=4, parameters={"token": "123456"})
    bad = driver.connect(connector=4, parameters={"token": "111111"})

    assert driver.state(good) == "UPDATED SUCCESS"
    assert driver.state(bad) == "OUTDATED INVALID_CREDENTIALS_MFA"


def test_the_image_is_a_picture(driver: Driver) -> None:
    item_id = driver.connect("user-ok-img", 5)
    parameter = driver.item(item_id)["parameter"]

    assert parameter["type"] == "image"
    assert base64.b64decode(parameter["data"]).startswith(b"\x89PNG")
    driver.mfa(item_id, token="123456")
    assert driver.state(item_id) == "UPDATED SUCCESS"


def test_a_selection_offers_its_options(driver: Driver) -> None:
    item_id = driver.connect("user-ok-select", 5)
    parameter = driver.item(item_id)["parameter"]

    assert parameter["type"] == "select"
    driver.mfa(item_id, token=parameter["options"][0]["value"])
    assert driver.state(item_id) == "UPDATED SUCCESS"


def test_first_the_phone_then_the_code(driver: Driver) -> None:
    item_id = driver.connect("user-ok-phone", 5)
    assert driver.item(item_id)["parameter"]["name"] == "phone"

    driver.mfa(item_id, phone="0")

    assert driver.item(item_id)["parameter"]["name"] == "token"
    driver.mfa(item_id, token="123456")
    assert driver.state(item_id) == "UPDATED SUCCESS"


def test_first_the_code_then_the_company_which_decides_the_data(driver: Driver) -> None:
    numbers = []
    for company in ("0", "1"):
        item_id = driver.connect("user-ok-multi-company", 5)
        driver.mfa(item_id, token="123456")
        assert driver.item(item_id)["parameter"]["name"] == "company"
        driver.mfa(item_id, company=company)
        numbers.append(driver.account(item_id)["number"])

    assert numbers[0] != numbers[1]


def test_a_qr_code_rotates_and_waits_for_the_person(driver: Driver) -> None:
    item_id = driver.api.post("/items", json={"connectorId": 19, "parameters": {}}).json()["id"]
    driver.sandbox.settle()
    looks = [driver.item(item_id) for _ in range(2)]

    assert looks[0]["status"] == "WAITING_USER_ACTION"
    assert looks[0]["userAction"]["type"] == "qr"
    assert looks[0]["userAction"]["attributes"] != looks[1]["userAction"]["attributes"]
    driver.do(item_id, "approve")
    assert driver.state(item_id) == "UPDATED SUCCESS"


def test_a_refused_qr_code_is_not_granted(driver: Driver) -> None:
    item_id = driver.api.post("/items", json={"connectorId": 19, "parameters": {}}).json()["id"]
    driver.sandbox.settle()

    driver.do(item_id, "reject")

    assert driver.state(item_id) == "LOGIN_ERROR USER_AUTHORIZATION_NOT_GRANTED"
    assert driver.accounts(item_id) == []


@pytest.mark.parametrize("what", ["approve", "reject"])
def test_a_code_that_must_be_typed_is_neither_approved_nor_refused(driver: Driver, what: str) -> None:
    item_id = driver.connect(connector=5)

    assert driver.control.post(f"/items/{item_id}/{what}", json={}).status_code == 400

    assert driver.state(item_id) == "WAITING_USER_INPUT WAITING_USER_INPUT"
    driver.mfa(item_id, token="123456")
    assert driver.state(item_id) == "UPDATED SUCCESS"


def test_a_refused_device_is_not_granted_and_is_asked_anew(driver: Driver) -> None:
    item_id = driver.connect("user-ok-auth-pending")

    driver.do(item_id, "reject")
    assert driver.state(item_id) == "LOGIN_ERROR USER_AUTHORIZATION_NOT_GRANTED"
    driver.update(item_id)

    assert driver.state(item_id) == "OUTDATED USER_AUTHORIZATION_PENDING"


def test_a_device_is_not_granted_before_two_minutes_and_good_after(driver: Driver) -> None:
    item_id = driver.connect("user-ok-auth-pending")
    driver.advance(seconds=30)
    driver.update(item_id)
    early = driver.item(item_id)
    assert early["executionStatus"] == "USER_AUTHORIZATION_NOT_GRANTED"
    assert "wait 90 seconds" in early["error"]["message"]

    driver.advance(seconds=100)
    driver.update(item_id)

    assert driver.state(item_id) == "UPDATED SUCCESS"


def test_a_device_that_the_person_approved_resumes_by_itself(driver: Driver) -> None:
    item_id = driver.connect("user-ok-auth-pending")

    driver.do(item_id, "approve")

    assert driver.state(item_id) == "UPDATED SUCCESS"


def test_a_joint_account_is_opened_by_its_own_token(driver: Driver) -> None:
    single = driver.connect(connector=9, parameters={"token": "123456"})
    joint = driver.connect(connector=9, parameters={"token": "000000"})

    assert {driver.state(single), driver.state(joint)} == {"UPDATED SUCCESS"}
    assert driver.account(single)["number"] != driver.account(joint)["number"]


def consented(driver: Driver, cpf: str = CPF) -> str:
    item_id = driver.connect_open_finance(cpf)
    driver.do(item_id, "approve")
    return item_id


def test_a_consent_is_asked_for_at_the_bank_and_listed_when_given(driver: Driver) -> None:
    item_id = driver.connect_open_finance()
    parameter = driver.item(item_id)["parameter"]
    assert (parameter["type"], parameter["name"]) == ("oauth", "oauth_code")
    assert driver.api.get(parameter["data"]).status_code == 200

    driver.do(item_id, "approve")
    consents = driver.api.get("/consents", params={"itemId": item_id}).json()["results"]

    assert driver.state(item_id) == "UPDATED SUCCESS"
    assert len(consents) == 1
    assert consents[0]["revokedAt"] is None
    assert driver.item(item_id)["consentExpiresAt"] is None


def test_the_banks_page_sends_the_person_back_with_the_item(driver: Driver) -> None:
    answer = driver.api.post(
        "/items",
        json={"connectorId": 600, "parameters": {"cpf": CPF}, "oauthRedirectUri": "https://app.example/done?x=1"},
    )
    driver.sandbox.settle()
    item_id = answer.json()["id"]

    back = driver.api.post("/_sandbox/bank/authorize", data={"itemId": item_id, "decision": "approve"})
    driver.sandbox.settle()

    assert back.headers["location"] == f"https://app.example/done?x=1&itemId={item_id}"
    assert driver.state(item_id) == "UPDATED SUCCESS"


def test_a_refused_consent_is_not_granted(driver: Driver) -> None:
    item_id = driver.connect_open_finance()

    driver.do(item_id, "reject")

    assert driver.state(item_id) == "LOGIN_ERROR USER_AUTHORIZATION_NOT_GRANTED"


@pytest.mark.parametrize("cpf", ["111.111.111-11", "761.092.776-74", "123"])
def test_a_cpf_with_wrong_digits_is_a_validation_error(driver: Driver, cpf: str) -> None:
    answer = driver.api.post("/items", json={"connectorId": 600, "parameters": {"cpf": cpf}})

    assert answer.json()["codeDescription"] == "CONNECTOR_VALIDATION_ERROR"


def test_another_valid_cpf_is_a_login_error(driver: Driver) -> None:
    assert driver.state(driver.connect_open_finance("529.982.247-25")).startswith("LOGIN_ERROR")


def test_a_revoked_consent_hides_the_data_and_only_the_person_renews_it(driver: Driver) -> None:
    item_id = consented(driver)
    account = driver.account(item_id)
    held = len(driver.truth(item_id)["transactions"])

    driver.do(item_id, "revoke")

    assert driver.accounts(item_id) == []
    assert driver.transactions(account["id"]) == []
    assert driver.api.get("/loans", params={"itemId": item_id}).json()["results"] == []
    driver.run(item_id)
    assert driver.state(item_id) == "LOGIN_ERROR USER_AUTHORIZATION_REVOKED"
    driver.update(item_id)
    assert driver.item(item_id)["parameter"]["type"] == "oauth"
    driver.do(item_id, "approve")
    assert driver.state(item_id) == "UPDATED SUCCESS"
    assert len(driver.truth(item_id)["transactions"]) == held
    assert driver.account(item_id)["id"] == account["id"]


def test_a_revoked_consent_hides_single_objects_as_it_empties_lists(driver: Driver) -> None:
    item_id = consented(driver)
    card = driver.account(item_id, "CREDIT")
    bill = driver.api.get("/bills", params={"accountId": card["id"]}).json()["results"][0]
    rows = driver.transactions(card["id"])
    of_item = {"itemId": item_id}
    loan = driver.api.get("/loans", params=of_item).json()["results"][0]
    fund = driver.api.get("/investments", params=of_item).json()["results"][0]
    identity = driver.api.get("/identity", params=of_item).json()
    single = [
        f"/accounts/{card['id']}", f"/bills/{bill['id']}", f"/transactions/{rows[0]['id']}", f"/loans/{loan['id']}",
        f"/investments/{fund['id']}", f"/identity/{identity['id']}", f"/identity?itemId={item_id}",
    ]  # fmt: skip
    lists = [
        f"/accounts?itemId={item_id}", f"/bills?accountId={card['id']}", f"/v2/transactions?accountId={card['id']}",
        f"/v2/transactions?accountId={card['id']}&ids={rows[0]['id']}", f"/investments?itemId={item_id}",
        f"/investments/{fund['id']}/transactions", f"/loans?itemId={item_id}",
    ]  # fmt: skip
    assert all(driver.api.get(path).status_code == 200 for path in single)
    assert all(driver.api.get(path).json()["results"] for path in lists)

    driver.do(item_id, "revoke")

    assert {path: driver.api.get(path).status_code for path in single} == dict.fromkeys(single, 404)
    assert {path: driver.api.get(path).json()["results"] for path in lists} == {path: [] for path in lists}
    category = {"categoryId": "19000000"}
    assert driver.api.patch(f"/transactions/{rows[0]['id']}", json=category).status_code == 404
    assert driver.api.get("/consents", params=of_item).json()["total"] == 1


def test_a_consent_may_have_an_end(driver: Driver) -> None:
    driver.settings(consentDays=10, cleanupDays=0)
    item_id = consented(driver)
    assert driver.item(item_id)["consentExpiresAt"].startswith("2026-03-20")

    driver.advance(days=11)

    assert driver.accounts(item_id) == []
    driver.run(item_id)
    assert driver.state(item_id) == "LOGIN_ERROR USER_AUTHORIZATION_REVOKED"


def test_further_approvers_may_agree_later(driver: Driver) -> None:
    item_id = consented(driver, "238.242.640-30")
    item = driver.item(item_id)
    assert item["executionStatus"] == "USER_AUTHORIZATION_PENDING"
    assert item["statusDetail"]["accounts"]["warnings"][0]["code"] == "002"

    driver.advance(seconds=121)

    assert driver.state(item_id) == "UPDATED SUCCESS"


def test_further_approvers_may_refuse(driver: Driver) -> None:
    item_id = consented(driver, "051.177.670-55")

    driver.advance(seconds=121)

    assert driver.state(item_id) == "LOGIN_ERROR USER_AUTHORIZATION_NOT_GRANTED"


def test_an_exhausted_quota_is_a_partial_success_that_heals_next_month(driver: Driver) -> None:
    driver.settings(openFinanceQuotas=True, cleanupDays=0)
    item_id = consented(driver)
    driver.do(item_id, "exhaust", products=["TRANSACTIONS"])

    driver.run(item_id)

    item = driver.item(item_id)
    assert (item["status"], item["executionStatus"]) == ("UPDATED", "PARTIAL_SUCCESS")
    assert item["statusDetail"]["transactions"]["isUpdated"] is False
    assert item["statusDetail"]["transactions"]["warnings"][0]["code"] == "423"
    driver.advance(days=25)
    driver.run(item_id)
    assert driver.state(item_id) == "UPDATED SUCCESS"


def test_the_items_of_one_person_share_the_quota(driver: Driver) -> None:
    driver.settings(openFinanceQuotas=True)
    states = [driver.state(consented(driver)) for _ in range(5)]

    assert states == ["UPDATED SUCCESS"] * 4 + ["UPDATED PARTIAL_SUCCESS"]
