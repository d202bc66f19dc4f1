"""Categories, and an application's rules for them (Pluggy facts 5.8, 13.13)."""

from flask import Blueprint, Response

from pluggy_sandbox.api.answers import answer, paged, server_only, world
from pluggy_sandbox.api.requests import argument, body
from pluggy_sandbox.catalogue.categories import CATEGORIES
from pluggy_sandbox.holdings.category_rules import ACCOUNT_TYPES, MATCHES, TRANSACTION_TYPES, CategoryRule
from pluggy_sandbox.wire import fields
from pluggy_sandbox.wire.errors import BadRequestError, NotFoundError

blueprint = Blueprint("categories", __name__)


@blueprint.get("/categories")
def show_all() -> Response:
    """List the categories, or those below one."""
    server_only()
    parent = argument("parentId")
    return paged([c.view() for c in CATEGORIES.values() if parent in (None, c.parent)])


@blueprint.get("/categories/rules")
def show_rules() -> Response:
    """List the application's rules."""
    here, who = world(), server_only()
    with here.lock:
        return paged([rule.view() for rule in here.category_rules.values() if rule.client_id == who.client_id])


@blueprint.post("/categories/rules")
def create_rule() -> Response:
    """Make a rule; the next executions follow it."""
    here, who, sent = world(), server_only(), body()
    description = fields.text(sent, "description")
    category_id = fields.choice(sent, "categoryId", CATEGORIES)
    if not description or category_id is None:
        raise BadRequestError("description and categoryId are required")
    transaction_type = fields.choice(sent, "transactionType", TRANSACTION_TYPES)
    account_type = fields.choice(sent, "accountType", ACCOUNT_TYPES)
    match_type = fields.choice(sent, "matchType", MATCHES) or "exact"
    with here.lock:
        rule_id = here.ids.next("category rule")
        rule = CategoryRule(
            rule_id, who.client_id, description, category_id, transaction_type, account_type, match_type
        )
        here.category_rules[rule.id] = rule
        return answer(rule.view())


@blueprint.delete("/categories/rules/<rule_id>")
def delete_rule(rule_id: str) -> Response:
    """Delete a rule; what it decided stays until an execution reads those transactions again."""
    here, who = world(), server_only()
    with here.lock:
        rule = here.category_rules.get(rule_id)
        if rule is None or rule.client_id != who.client_id:
            raise NotFoundError("Category rule not found", "CATEGORY_RULE_NOT_FOUND")
        del here.category_rules[rule_id]
        return answer({"count": 1})


@blueprint.get("/categories/<category_id>")
def show(category_id: str) -> Response:
    """Show a category."""
    server_only()
    if category_id not in CATEGORIES:
        raise NotFoundError("Category not found", "CATEGORY_NOT_FOUND")
    return answer(CATEGORIES[category_id].view())
