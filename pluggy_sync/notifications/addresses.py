"""
Where an endpoint is, and the secrets that sign what goes there.

The endpoint of the settings is the operator's own choice: it may be anywhere. All others may be only at public
addresses and in the networks that the settings allow.

Tests: `notifications/test_endpoints.py`.
"""

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime

from pluggy_sync.encryption import Box
from pluggy_sync.resources import Resources
from pluggy_sync.settings import Settings
from pluggy_sync.store.endpoints import ENVIRONMENT, Endpoint

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, kw_only=True)
class Address:
    """An endpoint as a delivery needs it. *may_reach*: networks that are allowed beside public ones; None: all."""

    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    may_reach: tuple[Network, ...] | None


class SecretLostError(Exception):
    """The endpoint's secret was sealed with a key that is in the settings no more."""


def of_endpoint(res: Resources, endpoint: Endpoint, *, now: datetime) -> Address | None:
    """
    Return the endpoint's address; None: the settings name none.

    Raises:
        SecretLostError: see there.
    """
    settings = res.settings
    if endpoint.id == ENVIRONMENT:
        if settings.product_webhook_url is None:
            return None
        return Address(url=settings.product_webhook_url, secrets=settings.product_webhook_secrets, may_reach=None)
    if endpoint.url is None:
        return None
    sealed = [endpoint.secret]
    if endpoint.previous_secret_until is not None and now < endpoint.previous_secret_until:
        sealed.append(endpoint.previous_secret)
    opened = [None if each is None else box(settings).open(each.encode()) for each in sealed]
    # One that can be read is enough: the product verifies with either.
    secrets = tuple(each for each in opened if each is not None)
    if not secrets:
        raise SecretLostError(endpoint.id)
    return Address(url=endpoint.url, secrets=secrets, may_reach=settings.endpoint_allowed_networks)


def box(settings: Settings) -> Box:
    """Return what seals the secrets of endpoints."""
    return Box(settings.secret_key, *settings.previous_secret_keys, purpose="endpoint-secret")
