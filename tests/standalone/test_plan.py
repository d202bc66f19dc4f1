"""What a run will consist of."""

from standalone.plan import make_plan


def plan(tmp_path, **given):
    return make_plan(tmp_path, given, say=lambda _line: None)


def test_the_wallet_is_told_and_persons_come_back_to_it(tmp_path):
    made = plan(tmp_path)

    assert made.env["PRODUCT_WEBHOOK_URL"] == made.addresses["wallet"] + "/notifications"
    assert made.env["PRODUCT_RETURN_URLS"] == made.addresses["wallet"] + "/"


def test_persons_come_back_to_the_wallet_and_to_the_addresses_that_are_given(tmp_path):
    made = plan(tmp_path, PRODUCT_RETURN_URLS="https://product.example/conta")

    listed = made.env["PRODUCT_RETURN_URLS"].split(",")
    assert listed == ["https://product.example/conta", made.addresses["wallet"] + "/"]


def test_with_a_product_of_its_own_there_is_no_wallet(tmp_path):
    made = plan(tmp_path, PRODUCT_WEBHOOK_URL="https://product.example/hooks")

    assert "wallet" not in made.addresses
    assert made.env["PRODUCT_WEBHOOK_URL"] == "https://product.example/hooks"
    assert "PRODUCT_RETURN_URLS" not in made.env
