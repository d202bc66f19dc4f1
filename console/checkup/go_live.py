"""
Pluggy's go-live list (Pluggy facts 10), line by line: what its reviewer looks at, as far as it shows here.

What the service does by itself is said with the reason. What depends on the company is looked for in the settings and
in what is stored.
"""

import stat
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from console.checkup.results import Result, heads_up, not_seen, passed, problem
from pluggy_sync import events, queue
from pluggy_sync.engine import webhooks
from pluggy_sync.resources import Resources
from pluggy_sync.rules.webhooks import FaultKind
from pluggy_sync.store import adoption, endpoints, observations, schedule

PRODUCTION = "api.pluggy.ai"
_ENV_FILE = Path(".env")
_SEEN_IN_TEST = (
    events.ITEM_CREATED,
    events.ITEM_UPDATED,
    events.ITEM_ERROR,
    events.TRANSACTIONS_CREATED,
    events.TRANSACTIONS_UPDATED,
    events.TRANSACTIONS_DELETED,
)
_WATCHED = timedelta(minutes=15)


def credentials(res: Resources) -> Iterator[Result]:
    """1: the client id and secret only on the server."""
    about = "1 Credentials"
    if _ENV_FILE.is_file() and _ENV_FILE.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        yield problem(about, ".env can be read by other users of this machine", "chmod 600 .env")
    elif urlsplit(res.settings.pluggy_api_url).scheme != "https":
        yield heads_up(
            about, "PLUGGY_API_URL is no https: a stand-in", "For production: PLUGGY_API_URL=https://api.pluggy.ai"
        )
    else:
        yield passed(about, "from the environment; the API key is sealed, and nothing of it is logged")


def connect_tokens(res: Resources) -> Iterator[Result]:
    """2: a connect token per attempt, with a different clientUserId per person."""
    about = "2 Connect tokens"
    with res.database.connect() as conn:
        looked_at, named, different = adoption.persons(conn)
    if not looked_at:
        yield not_seen(about, "there are no Items yet", "Connect one through the product")
    elif named > 1 and different == 1:
        yield problem(
            about,
            f"all {named} Items have the same clientUserId",
            "Give the token of each person an id of their own (POST /v1/connect-tokens)",
        )
    elif named < looked_at:
        yield heads_up(
            about,
            f"{looked_at - named} of {looked_at} Items have no clientUserId",
            "Give clientUserId with the token, or with POST /v1/items",
        )
    else:
        yield passed(about, f"{looked_at} Items of {different} persons")


def registration(res: Resources) -> Iterator[Result]:
    """3: the webhook, over HTTPS, and each kind of event received in test."""
    about = "3 Webhook registration"
    if not res.settings.public_url.startswith("https://"):
        yield problem(about, "PUBLIC_URL is no https", "Put the web process behind HTTPS")
        return
    faults = [each for each in webhooks.check(res) if each.kind is not FaultKind.DUPLICATED]
    if faults:
        yield problem(about, "; ".join(each.detail for each in faults), "pluggy-sync webhooks register")
        return
    with res.database.connect() as conn:
        missing = sorted(set(_SEEN_IN_TEST) - adoption.received(conn, _SEEN_IN_TEST))
    if missing:
        yield heads_up(about, f"never received: {', '.join(missing)}", "Make each happen once, with a sandbox bank")
    else:
        yield passed(about, "registered, with the secret header; each kind was received")


def handling(res: Resources) -> Iterator[Result]:
    """4: the Item is fetched before anything is done; quick answers; idempotent."""
    about = "4 Webhook handling"
    now = res.now()
    with res.database.connect() as conn:
        since = [each for each in observations.overdue_since(conn, now).values() if each is not None]
        given_up = sum(observations.given_up(conn, since=now - timedelta(days=1)).values())
    if since and now - min(since) > _WATCHED:
        yield problem(about, "events are answered, and not handled in time", "See the workers, above")
    elif given_up:
        yield heads_up(about, f"{given_up} given up within a day", "pluggy-sync events, pluggy-sync notifications")
    else:
        yield passed(about, "stored, answered, then decided by the fetched Item; once for each eventId")


def strategy(_: Resources) -> Iterator[Result]:
    """5: auto-sync is relied on; nothing updates Items by a timer."""
    yield passed(
        "5 Sync strategy",
        "no timer updates Items (PATCH); reconciliation reads them (GET) within its budget, which is allowed",
    )


def environment(res: Resources) -> Iterator[Result]:
    """6: applications of their own for development and production; no sandbox banks."""
    about = "6 Environment"
    host = urlsplit(res.settings.pluggy_api_url).hostname
    with res.database.connect() as conn:
        sandbox = adoption.sandbox_banks(conn)
    if host != PRODUCTION:
        yield heads_up(about, f"PLUGGY_API_URL is at {host}", f"For production: https://{PRODUCTION}")
    elif sandbox:
        yield heads_up(
            about,
            f"Items of sandbox banks: {', '.join(sandbox)}",
            "Use an application of its own for production, with includeSandbox off",
        )
    else:
        yield passed(about, "Pluggy's own API, and no Items of sandbox banks")


def update_flow(res: Resources) -> Iterator[Result]:
    """7: persons can act."""
    about = "7 Update flow"
    with res.database.begin() as conn:
        endpoints.follow_settings(conn, res.settings.product_webhook_url)
        told = [each for each in endpoints.all_(conn) if each.is_live]
    if not told:
        yield heads_up(
            about,
            "no endpoint is told when a person must act",
            "Set PRODUCT_WEBHOOK_URL, or read GET /v1/notifications; show the person action.pageUrl",
        )
    elif res.settings.product_name is None:
        yield heads_up(
            about, "the person's page names nobody: PRODUCT_NAME is not set", "Set PRODUCT_NAME and its colours"
        )
    else:
        yield passed(about, "the product is told, and each action has a page, an API and the widget's update mode")


def consent(_: Resources) -> Iterator[Result]:
    """8: a person can disconnect, and the data goes."""
    yield passed(
        "8 Consent",
        "DELETE /v1/items/{id} deletes at Pluggy and purges here; the product has to offer it",
    )


def security(res: Resources) -> Iterator[Result]:
    """9: HTTPS, source addresses, header, clientId, re-fetch."""
    about = "9 Webhook security"
    if not res.settings.public_url.startswith("https://"):
        yield problem(about, "PUBLIC_URL is no https", "Put the web process behind HTTPS")
        return
    if any(len(set(secret)) < 8 for secret in res.settings.webhook_secrets):
        yield problem(
            about, "a value of WEBHOOK_SECRETS can be guessed", "openssl rand -hex 32; pluggy-sync webhooks rotate"
        )
        return
    yield heads_up(
        about,
        "header, clientId and re-fetch are checked here; source addresses are not",
        "Let the proxy admit only Pluggy's addresses to /webhooks/pluggy, if they are known",
    )


def good_form(res: Resources) -> Iterator[Result]:
    """10: last and next sync are shown; banks' states are handled; disabled webhooks are noticed."""
    about = "10 Good form"
    with res.database.connect() as conn:
        watched = schedule.last_done(conn, queue.WATCH_PLUGGY)
        swept = schedule.last_done(conn, queue.SWEEP)
    if watched is None and swept is not None and res.now() - swept < _WATCHED:
        yield not_seen(about, "the watchdog looks at Pluggy for the first time five minutes after beat has started")
    elif watched is None or res.now() - watched > _WATCHED:
        yield problem(
            about, "nobody notices a webhook that is switched off", "Start the processes `beat` and `schedule`"
        )
    else:
        yield passed(
            about, "the watchdog looks at the webhook every five minutes; freshness and next update are in /v1"
        )


LINES: tuple[tuple[str, Callable[[Resources], Iterator[Result]]], ...] = (
    ("1 Credentials", credentials),
    ("2 Connect tokens", connect_tokens),
    ("3 Webhook registration", registration),
    ("4 Webhook handling", handling),
    ("5 Sync strategy", strategy),
    ("6 Environment", environment),
    ("7 Update flow", update_flow),
    ("8 Consent", consent),
    ("9 Webhook security", security),
    ("10 Good form", good_form),
)
