"""
Statements are built once. What one looks for is named as no column is: SQLAlchemy writes a parameter to the column of
its name.
"""

import importlib
import pkgutil
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.sql import visitors

from pluggy_sync import store
from tests.kit.factories import API_TOKEN


def statements():
    for module in pkgutil.iter_modules(store.__path__, f"{store.__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            # A CTE holds the statement that writes.
            written = value.element if isinstance(value, sa.CTE) else value
            if isinstance(written, sa.Update):
                yield f"{module.name}.{name}", written


def looked_for(update):
    """Return the names of the parameters of its condition."""
    if update.whereclause is None:
        return set()
    return {each.key for each in visitors.iterate(update.whereclause) if isinstance(each, sa.BindParameter)}


def mistaken(update):
    return looked_for(update) & {column.name for column in update.table.columns}


def test_there_are_such_statements():
    assert len(dict(statements())) > 10


def test_no_parameter_of_a_condition_is_named_as_a_column_that_is_written():
    assert {name: mistaken(update) for name, update in statements() if mistaken(update)} == {}


@pytest.mark.parametrize("named, is_mistaken", [("state", True), ("wanted", False)])
def test_a_parameter_that_is_named_as_a_column_is_noticed(named, is_mistaken):
    table = sa.Table("runs", sa.MetaData(), sa.Column("state", sa.Text))

    assert bool(mistaken(sa.update(table).where(table.c.state == sa.bindparam(named)))) is is_mistaken


@contextmanager
def collecting(engine):
    """Collect the statements of *engine*, by text and place of the object. All are kept: none has another's place."""
    found = {}

    def on_execute(_conn, statement, *_):
        found[str(statement), id(statement)] = statement

    sa.event.listen(engine, "before_execute", on_execute)
    try:
        yield found
    finally:
        sa.event.remove(engine, "before_execute", on_execute)


def a_day(service, upstream, item_id):
    """Let a day with news pass, and the product read what came of it."""
    upstream.later(days=1)
    upstream.evolve(item_id, {"kind": "add", "count": 3})
    upstream.run(item_id)
    service.deliver(*upstream.take_events())
    service.work()
    (account, *_) = read(service, f"/v1/items/{item_id}/accounts")
    for path in (
        "/v1/items?limit=2",
        "/v1/items?state=stale&connectorId=2",
        f"/v1/items/{item_id}/transactions/sync?limit=2",
        f"/v1/items/{item_id}/products/bills",
        f"/v1/items/{item_id}",
        f"/v1/items/{item_id}/coverage",
        f"/v1/items/{item_id}/sync-runs",
        f"/v1/accounts/{account['id']}/transactions?limit=2&dateFrom=2026-01-01",
        "/v1/transactions/sync?limit=2",
        "/v1/actions?state=open",
        "/v1/notifications?limit=2",
    ):
        read(service, path)


def read(service, path):
    answer = service.web.get(path, headers={"Authorization": f"Bearer {API_TOKEN}"})
    assert answer.status_code == 200, answer.text
    return answer.json.get("results")


def test_a_day_with_news_and_the_pages_of_the_product_build_no_statement_anew(service, upstream, resources):
    item_id = upstream.connect(products=["ACCOUNTS", "CREDIT_CARDS", "TRANSACTIONS", "IDENTITY"])
    service.catch_up()

    with collecting(resources.database) as first:
        a_day(service, upstream, item_id)
    with collecting(resources.database) as second:
        a_day(service, upstream, item_id)

    known = {text for text, _ in first}
    assert len(known) > 50
    assert [text for text, place in second if text in known and (text, place) not in first] == []
