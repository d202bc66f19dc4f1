"""Whether Pluggy knows us, and reaches us."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import httpx
from sqlalchemy.exc import SQLAlchemyError

from console.checkup.results import Result, heads_up, not_seen, passed, problem
from pluggy_sync import tls
from pluggy_sync.engine import webhooks
from pluggy_sync.pluggy.errors import PluggyError, PluggyUnauthorizedError, PluggyUnavailableError
from pluggy_sync.pluggy.payloads import Webhook
from pluggy_sync.resources import Resources
from pluggy_sync.rules import webhooks as rules
from pluggy_sync.rules.ages import ago
from pluggy_sync.rules.alerts import of_rejected
from pluggy_sync.rules.webhooks import FaultKind, SecretState, Wanted
from pluggy_sync.store import server

_CLOCK_PROBLEM_S, _CLOCK_HEADS_UP_S = 30, 5
# Each of two requests.
_REACH_S = 2.8


def sign_in(res: Resources) -> Iterator[Result]:
    """Whether Pluggy answers, and takes our credentials."""
    try:
        res.pluggy.check_credentials()
    except PluggyUnauthorizedError:
        yield problem(
            "Pluggy sign-in",
            "refuses our client id and secret",
            "Put those of this application and environment into PLUGGY_CLIENT_ID and PLUGGY_CLIENT_SECRET",
        )
    except PluggyUnavailableError as exc:
        yield problem(
            "Pluggy sign-in",
            f"no answer: {exc}",
            "See PLUGGY_API_URL, the way out of this network, Pluggy's status page",
        )
    else:
        yield passed("Pluggy sign-in", "taken")


def clock(res: Resources) -> Iterator[Result]:
    """Whether our clock agrees with those of Pluggy and Postgres, as far as they answer."""
    differences: dict[str, float] = {}
    # Whoever does not answer has a check of its own, which says so.
    with suppress(SQLAlchemyError), res.database.connect() as conn:
        differences["Postgres's"] = (res.now() - server.server(conn).now).total_seconds()
    with suppress(PluggyError):
        res.pluggy.check_credentials()
    if res.pluggy.clock_ahead_s is not None:
        differences["Pluggy's"] = res.pluggy.clock_ahead_s
    if not differences:
        yield not_seen("Clock", "neither Postgres nor Pluggy says what time it is")
        return
    whose, ahead = max(differences.items(), key=lambda each: abs(each[1]))
    said = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} {whose}"
    remedy = "Let NTP set the clock of the machine that is wrong"
    if abs(ahead) > _CLOCK_PROBLEM_S:
        yield problem("Clock", said, remedy)
    elif abs(ahead) > _CLOCK_HEADS_UP_S:
        yield heads_up("Clock", said, remedy)
    else:
        yield passed("Clock", f"agrees with {' and '.join(differences)}")


ABOUT_WEBHOOK = {
    FaultKind.MISSING: "Webhook exists",
    FaultKind.SWITCHED_OFF: "Webhook is on",
    FaultKind.EVENTS: "Webhook events",
    FaultKind.SECRET: "Webhook secret header",
    FaultKind.DUPLICATED: "Webhook is the only one",
}


def webhook(res: Resources) -> Iterator[Result]:
    """Whether our webhook is there, on, with our secret, for all events, and once."""
    there, how = res.pluggy.webhooks(), webhooks.wanted(res)
    found = {fault.kind: fault for fault in rules.faults(there, how)}
    if FaultKind.MISSING in found:
        yield problem(
            ABOUT_WEBHOOK[FaultKind.MISSING], found[FaultKind.MISSING].detail, "pluggy-sync webhooks register"
        )
        return
    for kind, about in ABOUT_WEBHOOK.items():
        if kind not in found:
            if kind is FaultKind.SECRET and _is_hidden(there, how):
                yield _secret_by_deliveries(res, about)
            else:
                yield passed(about, "yes")
        elif kind is FaultKind.DUPLICATED:
            yield heads_up(about, found[kind].detail, "pluggy-sync webhooks register --remove-others")
        else:
            yield problem(about, found[kind].detail, "pluggy-sync webhooks register")


def _is_hidden(there: Sequence[Webhook], how: Wanted) -> bool:
    return any(rules.secret_of(each, how) is SecretState.NOT_SHOWN for each in rules.ours(there, how.url))


def _secret_by_deliveries(res: Resources, about: str) -> Result:
    """Return whether the secret is right, by what came: Pluggy does not show it."""
    came = webhooks.arrivals(res)
    finding = next(iter(of_rejected(came.rejected)), None)
    if finding is not None:
        return problem(
            about, f"Pluggy does not show it; answered 401: {finding.detail}", "pluggy-sync webhooks register"
        )
    if came.taken_at is None:
        return not_seen(about, "Pluggy does not show it, and no delivery with it is stored")
    return passed(about, f"Pluggy does not show it; the last delivery with it came {ago(came.taken_at, res.now())}")


def reached(res: Resources) -> Iterator[Result]:
    """Whether PUBLIC_URL leads to a web process of ours, as far as it can be seen from here."""
    about, url = "PUBLIC_URL reaches us", res.settings.public_url
    if not url.startswith("https://"):
        yield heads_up(about, f"{url} is no https: Pluggy does not deliver there", "Put the web process behind HTTPS")
    try:
        with httpx.Client(verify=tls.context(), timeout=_REACH_S, follow_redirects=False) as client:
            answer = client.get(f"{url}/health")
            ready = _ready(client, url)
    except httpx.HTTPError as exc:
        yield problem(
            about,
            f"no answer from {url} ({type(exc).__name__})",
            "See DNS, certificate, proxy and firewall. A network may not reach its own public address: try outside",
        )
        return
    try:
        is_ours = answer.status_code == httpx.codes.OK and answer.json() == {"status": "ok"}
        is_ours = is_ours and (ready is None or "postgres" in ready.json())
    except ValueError:
        is_ours = False
    if is_ours and ready is None:
        yield problem(
            about,
            f"the web process answers /health, and not /ready within {_REACH_S} s",
            "See Postgres, Redis and the log of the web process",
        )
    elif is_ours and ready is not None and ready.status_code == httpx.codes.OK:
        yield passed(about, f"{answer.elapsed.total_seconds():.1f} s")
    elif is_ours:
        yield problem(
            about, "the web process takes no webhooks (/ready)", "See Postgres and the log of the web process"
        )
    else:
        yield problem(
            about, f"{url}/health answers {answer.status_code}, and not as we do", "Let the proxy pass all paths to us"
        )


def _ready(client: httpx.Client, url: str) -> httpx.Response | None:
    """Return what /ready answers; None: nothing in time, as while a server that it asks is frozen."""
    try:
        return client.get(f"{url}/ready")
    except httpx.ReadTimeout:
        return None


def budget(res: Resources) -> Iterator[Result]:
    """Whether other programs use the requests of our address."""
    left = res.pluggy.budget.left(("GET /items/{id}",))["GET /items/{id}"]
    if left:
        yield passed("Budget of requests", f"{left} left in this minute for GET /items/{{id}}")
    else:
        yield not_seen(
            "Budget of requests", "none left in this minute", "Look again in a minute; see pluggy-sync status"
        )
