"""The page at `/`, and all that it shows at a time."""

from flask import Blueprint, Response, current_app, render_template

from pluggy_sandbox.api.answers import answer, world
from pluggy_sandbox.api.gate import template
from pluggy_sandbox.catalogue import connectors, guide, logins
from pluggy_sandbox.lifecycle import items
from pluggy_sandbox.wire import switches
from pluggy_sandbox.wire.instants import iso

blueprint = Blueprint("overview", __name__)
SPEEDS = {0: "stands still", 1: "real time", 60: "a minute a second", 3600: "an hour a second"}
_DELIVERIES = 60
_VERBS = ("GET", "POST", "PATCH", "DELETE")
_OUTSIDE = ("/_sandbox", "/static", "/pluggy-connect")


@blueprint.get("/")
def page() -> str:
    """Show the sandbox to a person."""
    return render_template(
        "sandbox.html",
        address=world().address,
        connectors=[connector for connector in connectors.CATALOGUE if connector.is_sandbox],
        logins=guide.LOGINS,
        users=guide.USERS,
        good_code=logins.GOOD_MFA,
        people=guide.PEOPLE,
        endpoints=_endpoints(),
        speeds=SPEEDS,
    )


@blueprint.get("/_sandbox/overview")
def overview() -> Response:
    """Give what the page shows: the clock, Items, webhooks, the latest deliveries, what goes wrong, who is offline."""
    here = world()
    with here.lock:
        return answer(
            {
                "now": iso(here.clock.now),
                "speed": here.clock.speed,
                "realNow": iso(here.clock.real()),
                "mode": here.settings.mode,
                "realDeadlines": here.settings.real_deadlines,
                "webhooks": [hook.url for hook in here.webhooks.values() if hook.disabled_at is None],
                "items": [items.item_view(here, item) for item in here.items.values()],
                "deliveries": [delivery.view() for delivery in list(here.courier.log)[-_DELIVERIES:]],
                "faults": switches.as_json(here.faults),
                "health": {str(number): health.status for number, health in here.health.items()},
            }
        )


@blueprint.after_app_request
def _only_what_is_ours(response: Response) -> Response:
    """Let the pages load nothing from elsewhere and run nothing that is written into them."""
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Security-Policy", "default-src 'self'; img-src 'self' data:")
    return response


def _endpoints() -> list[str]:
    """Return the endpoints that a fault can be for, as the API's reference writes them."""
    rules = [rule for rule in current_app.url_map.iter_rules() if not rule.rule.startswith(_OUTSIDE)]
    served = {(template(rule.rule), verb) for rule in rules for verb in rule.methods or () if verb in _VERBS}
    return [f"{verb} {path}" for path, verb in sorted(served - {("/", "GET")})]
