"""
A small product on pluggy-sync: Ana connects her banks, sees accounts and what changed, and acts when a bank asks.

    pip install flask httpx standardwebhooks
    SYNC=http://127.0.0.1:8000 TOKEN=… PRODUCT_WEBHOOK_SECRET=whsec_… flask --app app run --port 8002
"""

import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import httpx
from flask import Flask, abort, redirect, render_template, request, url_for
from standardwebhooks import Webhook, WebhookVerificationError

ANA = "ana"  # a real product knows who has logged in
WIDGET = os.environ.get("PLUGGY_CONNECT_URL", "https://cdn.pluggy.ai/pluggy-connect/v2.9.2/pluggy-connect.js")
HEADERS = {"Authorization": f"Bearer {os.environ['TOKEN']}"}

app = Flask(__name__)
sync = httpx.Client(base_url=f"{os.environ['SYNC']}/v1", headers=HEADERS, timeout=10)
webhook = Webhook(os.environ["PRODUCT_WEBHOOK_SECRET"].partition(",")[0])
counted = {"refused": 0}


def api(method, path, **options):
    answer = sync.request(method, path, **options).raise_for_status()
    return json.loads(answer.content, parse_float=Decimal)  # money stays exact


def database():
    conn = sqlite3.connect(os.environ.get("WALLET_FILE", "wallet.sqlite"), isolation_level=None)
    conn.execute("CREATE TABLE IF NOT EXISTS told (id PRIMARY KEY, received_at, type, item_id, body)")
    return closing(conn)


@app.post("/notifications")
def receive():
    told = webhook.verify(request.get_data(), dict(request.headers))
    item_id, now = told["data"].get("itemId"), datetime.now(UTC).isoformat()
    entry = (request.headers["webhook-id"], now, told["type"], item_id, json.dumps(told))
    with database() as conn:  # 2xx only once it is kept; the same one may come twice
        new = conn.execute("INSERT OR IGNORE INTO told VALUES (?, ?, ?, ?, ?)", entry).rowcount
    if new:
        print(json.dumps({"event": "notification.received", "type": told["type"], "item_id": item_id}), flush=True)
    return {"result": "kept" if new else "repeated"}


@app.errorhandler(WebhookVerificationError)
def refuse(_error):
    counted["refused"] += 1
    return {"result": "refused"}, 401


@app.get("/notifications")
def notifications():
    with database() as conn:
        kept = conn.execute("SELECT id, received_at, body FROM told ORDER BY rowid").fetchall()
    return {"results": [{"id": id_, "receivedAt": at, **json.loads(body)} for id_, at, body in kept], **counted}


@app.get("/")
def home():
    items = api("GET", "/items", params={"clientUserId": ANA})["results"]
    for item in items:
        item["accounts"] = api("GET", f"/items/{item['id']}/accounts")["results"]
        item["changes"] = changes_of(item["id"])
    actions = api("GET", "/actions", params={"clientUserId": ANA, "state": "open"})["results"]
    return render_template("wallet.html", items=items, actions=actions, widget=WIDGET)


def changes_of(item_id):
    """Return the first changes of the last sync that we were told of. A product that stores rows reads all pages."""
    last = "SELECT body FROM told WHERE item_id = ? AND type = 'item.synced' ORDER BY rowid DESC LIMIT 1"
    with database() as conn:
        told = conn.execute(last, [item_id]).fetchone()
    if told is None:
        return {}
    cursor = json.loads(told[0])["data"]["cursor"]
    return api("GET", f"/items/{item_id}/transactions/sync", params={"cursor": cursor, "limit": 10})


@app.post("/connect")
def connect():
    return api("POST", "/connect-tokens", json={"clientUserId": ANA})


@app.post("/connected/<uuid:item_id>")
def connected(item_id):
    return api("POST", "/items", json={"itemId": str(item_id), "clientUserId": ANA})


@app.post("/act/<action_id>")
def act(action_id):
    if api("GET", f"/actions/{action_id}")["clientUserId"] != ANA:
        abort(404)
    back = {"returnUrl": url_for("home", _external=True)}  # below one of PRODUCT_RETURN_URLS
    return redirect(api("POST", f"/actions/{action_id}/page-link", json=back)["pageUrl"])


@app.errorhandler(httpx.HTTPError)
def unavailable(_error):
    return "This does not work just now. Try again in a moment.", 503
