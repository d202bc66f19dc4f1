"""What an application chooses for an Item: in the request for it, or in the connect token (Pluggy facts 1.3, 3.8)."""

from urllib.parse import urlsplit

from pluggy_sandbox.catalogue.connectors import PRODUCTS
from pluggy_sandbox.state import webhooks
from pluggy_sandbox.state.keys import Caller
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire import fields
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.errors import BadRequestError


def read(world: World, sent: Json) -> Json:
    """
    Return the options in a request, those that it has.

    Raises:
        BadRequestError: one is of the wrong kind, or an address that is not allowed.
    """
    read = {
        "clientUserId": fields.text(sent, "clientUserId"),
        "webhookUrl": _webhook_url(world, sent),
        "oauthRedirectUri": _redirect_uri(world, sent),
        "avoidDuplicates": fields.truth(sent, "avoidDuplicates"),
    }
    return {name: value for name, value in read.items() if name in sent}


def of_token(world: World, sent: Json) -> Json:
    """
    Return the options of a connect token. At the top level they are ignored, as at Pluggy (Pluggy facts 9.23).

    Raises:
        BadRequestError: one is of the wrong kind, or an address that is not allowed.
    """
    options = fields.record(sent, "options") or {}
    found = read(world, options) | {"products": fields.texts(options, "products", PRODUCTS)}
    return {name: value for name, value in found.items() if value is not None}


def fixed_by(caller: Caller) -> Json:
    """Return what the caller's connect token decides, whatever the browser sends; nothing for an API key."""
    return {name: value for name, value in caller.options.items() if name != "products"}


def products(sent: Json, caller: Caller) -> list[str] | None:
    """
    Return the products to collect: those of the request, else those of the connect token, else None.

    Raises:
        BadRequestError: they are no list of products.
    """
    return fields.texts(sent, "products", PRODUCTS) or caller.options.get("products")


def _webhook_url(world: World, sent: Json) -> str | None:
    url = fields.text(sent, "webhookUrl")
    return webhooks.check_url(url, allow_local=world.settings.allow_local_webhooks) if url else None


def _redirect_uri(world: World, sent: Json) -> str | None:
    """Return where the person lands after the bank's page: https or a deep link, and not this machine."""
    uri = fields.url(sent, "oauthRedirectUri")
    if uri is None or world.settings.allow_local_webhooks:
        return uri
    parts = urlsplit(uri)
    if parts.scheme == "http" or parts.hostname in ("localhost", "127.0.0.1"):
        raise BadRequestError("oauthRedirectUri must be a https URL or a deep link")
    return uri
