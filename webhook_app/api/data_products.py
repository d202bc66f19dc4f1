"""Data products that are read as whole lists: bills, investments and their movements, identity, loans, consents."""

from typing import Any

import marshmallow as ma

from pluggy_sync.store import data_products
from webhook_app.api import paging
from webhook_app.api.blueprint import ApiBlueprint
from webhook_app.api.fields import Instant, PageQuery, PluggyObject, page_of
from webhook_app.api.items import living
from webhook_app.app_resources import resources
from webhook_app.problems import ProblemError

blueprint = ApiBlueprint("products", __name__, description="Bills, investments, identity, loans, consents")

_BY_NAME = {
    "bills": data_products.BILLS,
    "investments": data_products.INVESTMENTS,
    "investment-transactions": data_products.INVESTMENT_TRANSACTIONS,
    "identity": data_products.IDENTITIES,
    "loans": data_products.LOANS,
    "consents": data_products.CONSENTS,
}


class ProductRowSchema(PluggyObject):
    """A row of a data product. Fields that are not listed are Pluggy's."""

    id = ma.fields.Str(required=True)
    parentId = ma.fields.Str(
        required=True, metadata={"description": "What it was listed for: the account, the investment, or the item"}
    )
    missingSince = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "Since when Pluggy lists it no more; null while it does. The row is kept"},
    )


@blueprint.get("/items/<item_id>/products/<product>")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(ProductRowSchema, "ProductPage"))
def list_product(query: dict[str, Any], item_id: str, product: str) -> dict[str, Any]:
    """
    List the Item's rows of one product, by id.

    The products: `bills`, `investments`, `investment-transactions`, `identity`, `loans`, `consents`.
    """
    listed = _BY_NAME.get(product)
    if listed is None:
        raise ProblemError("product-not-found", f"The products are: {', '.join(_BY_NAME)}.")
    position = paging.position_of(query["after"], paging.text)
    with resources().database.begin() as conn:
        living(conn, item_id)
        rows = data_products.after(conn, listed, item_id, position[0] if position else None, limit=query["limit"] + 1)
    return paging.page(
        rows,
        query["limit"],
        lambda row: [row.id],
        lambda row: {**row.raw, "parentId": row.parent_id, "missingSince": row.missing_since},
    )
