"""The products that are re-read as whole lists."""

import pytest

from tests.kit.service import Service
from tests.webhook_app.product import Product


@pytest.mark.parametrize(
    "name, in_truth", [("bills", "bills"), ("investments", "investments"), ("identity", "identity"), ("loans", "loans")]
)
def test_a_product_is_listed_as_pluggy_has_it(service: Service, product: Product, name, in_truth):
    item_id = service.upstream.connect(products=None)
    service.catch_up()

    rows = product.all_pages(f"/v1/items/{item_id}/products/{name}", limit=1)

    truth = service.upstream.truth(item_id)[in_truth]
    truth = truth if isinstance(truth, list) else [truth]
    assert {row["id"]: _as_sent(row) for row in rows} == {raw["id"]: raw for raw in truth}


def test_the_movements_say_which_investment_they_belong_to(service: Service, product: Product):
    item_id = service.upstream.connect(products=None)
    service.catch_up()

    rows = product.all_pages(f"/v1/items/{item_id}/products/investment-transactions")

    truth = service.upstream.truth(item_id)["investmentTransactions"]
    assert {row["parentId"] for row in rows} == {parent for parent, movements in truth.items() if movements} != set()


def test_an_unknown_product_is_not_found(service: Service, product: Product):
    item_id = service.upstream.connect()
    service.catch_up()

    product.refused("GET", f"/v1/items/{item_id}/products/pensions", 404, "product-not-found")


def _as_sent(row):
    return {name: value for name, value in row.items() if name not in ("parentId", "missingSince")}
