"""Webhook resources (Pluggy facts 2.2)."""

from flask import Blueprint, Response

from pluggy_sandbox.api.answers import answer, paged, server_only, world
from pluggy_sandbox.api.lookup import found_webhook
from pluggy_sandbox.api.requests import body
from pluggy_sandbox.state import webhooks
from pluggy_sandbox.state.webhooks import Webhook
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire import fields
from pluggy_sandbox.wire.encoding import Json

blueprint = Blueprint("webhooks", __name__)


@blueprint.get("/webhooks")
def show_all() -> Response:
    """List the application's webhooks."""
    here, who = world(), server_only()
    with here.lock:
        return paged([hook.view() for hook in _own(here, who.client_id)])


@blueprint.post("/webhooks")
def create() -> Response:
    """Register one."""
    here, who, sent = world(), server_only(), body()
    with here.lock:
        return answer(register(here, who.client_id, sent).view(), here.settings.webhook_created_status)


def register(here: World, client_id: str, sent: Json) -> Webhook:
    """
    Make and return a registration.

    Raises:
        BadRequestError: one of the reasons of Pluggy facts 2.2.
    """
    event = webhooks.check_event(sent.get("event"))
    url = webhooks.check_url(sent.get("url"), allow_local=here.settings.allow_local_webhooks)
    headers = webhooks.check_headers(sent.get("headers"))
    webhooks.check_room(_own(here, client_id), event, url)
    now = here.clock.now
    hook = Webhook(here.ids.next("webhook"), client_id, url, event, now, now, headers)
    here.webhooks[hook.id] = hook
    return hook


@blueprint.get("/webhooks/<webhook_id>")
def show(webhook_id: str) -> Response:
    """Show one."""
    here, who = world(), server_only()
    with here.lock:
        return answer(found_webhook(here, who, webhook_id).view())


@blueprint.patch("/webhooks/<webhook_id>")
def update(webhook_id: str) -> Response:
    """Change any of url, event, headers and enabled."""
    here, who, sent = world(), server_only(), body()
    with here.lock:
        hook = found_webhook(here, who, webhook_id)
        event = webhooks.check_event(sent.get("event", hook.event))
        url = webhooks.check_url(sent.get("url", hook.url), allow_local=here.settings.allow_local_webhooks)
        others = [h for h in _own(here, who.client_id) if h is not hook]
        webhooks.check_room(others, event, url)
        hook.event, hook.url = event, url
        _switch(here, hook, sent)
        return answer(hook.view())


@blueprint.delete("/webhooks/<webhook_id>")
def delete(webhook_id: str) -> Response:
    """Remove one."""
    here, who = world(), server_only()
    with here.lock:
        del here.webhooks[found_webhook(here, who, webhook_id).id]
        return answer({"count": 1})


def _own(here: World, client_id: str) -> list[Webhook]:
    return [hook for hook in here.webhooks.values() if hook.client_id == client_id]


def _switch(here: World, hook: Webhook, sent: Json) -> None:
    enabled = fields.truth(sent, "enabled")
    if "headers" in sent:
        hook.headers = webhooks.check_headers(sent["headers"])
    if enabled is True:
        hook.disabled_at, hook.failures_in_row = None, 0
    elif enabled is False:
        hook.disabled_at = here.clock.now
    hook.updated_at = here.clock.now
