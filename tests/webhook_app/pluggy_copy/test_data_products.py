"""Lists of data products without what Pluggy lists no more."""

from webhook_app.pluggy_copy import query


def test_rows_that_pluggy_lists_no_more_are_absent(copy, service):
    item_id = service.upstream.connect(products=None)
    service.catch_up()
    held = copy.get("/investments", params={"itemId": item_id}).json()["results"]
    owed = copy.get("/loans", params={"itemId": item_id}).json()["results"]
    with service.res.database.begin() as conn:
        conn.exec_driver_sql("UPDATE investments SET missing_since = now() WHERE id = %s", (held[0]["id"],))
        conn.exec_driver_sql("UPDATE loans SET missing_since = now()")
        conn.exec_driver_sql("UPDATE identities SET missing_since = now()")

    left = copy.get("/investments", params={"itemId": item_id}).json()

    assert [each["id"] for each in left["results"]] == [each["id"] for each in held[1:]]
    assert left["total"] == len(held) - 1
    assert len(owed) > 0
    assert copy.get("/loans", params={"itemId": item_id}).json()["total"] == 0
    for path in (f"/investments/{held[0]['id']}", f"/investments/{held[0]['id']}/transactions", "/loans/x"):
        assert copy.get(path).status_code == 404
    assert copy.get("/identity", params={"itemId": item_id}).json()["codeDescription"] == "IDENTITY_NOT_FOUND"


def test_each_row_is_on_exactly_one_page(copy, service):
    item_id = service.upstream.connect(products=None)
    service.catch_up()
    whole = copy.get("/investments", params={"itemId": item_id}).json()["results"]

    pages = [
        copy.get("/investments", params={"itemId": item_id, "pageSize": 1, "page": n + 1}) for n in range(len(whole))
    ]

    assert [row for page in pages for row in page.json()["results"]] == whole
    assert len(whole) > 2
    assert query.MOST_ROWS == 500
