"""Categories (Pluggy facts 5.8)."""

from flask import Blueprint, Response

from pluggy_sandbox.api.answers import answer, paged, server_only
from pluggy_sandbox.api.requests import argument
from pluggy_sandbox.catalogue.categories import CATEGORIES
from pluggy_sandbox.wire.errors import NotFoundError

blueprint = Blueprint("categories", __name__)


@blueprint.get("/categories")
def show_all() -> Response:
    """List the categories, or those below one."""
    server_only()
    parent = argument("parentId")
    return paged([c.view() for c in CATEGORIES.values() if parent in (None, c.parent)])


@blueprint.get("/categories/<category_id>")
def show(category_id: str) -> Response:
    """Show a category."""
    server_only()
    if category_id not in CATEGORIES:
        raise NotFoundError("Category not found", "CATEGORY_NOT_FOUND")
    return answer(CATEGORIES[category_id].view())
