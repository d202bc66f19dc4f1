"""
Our webhook at Pluggy: how it has to be, and making it so.

A delivery with a wrong secret is answered 401 and lost. So a secret is replaced in three steps: the web processes take
both, Pluggy sends the new one, the old one is dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from pluggy_sync import rejections
from pluggy_sync.pluggy.payloads import Webhook
from pluggy_sync.resources import Resources
from pluggy_sync.rules import webhooks as rules
from pluggy_sync.rules.alerts import Rejected
from pluggy_sync.rules.webhooks import ALL, Fault, Wanted
from pluggy_sync.store import observations


def wanted(res: Resources) -> Wanted:
    """Return how our webhook has to be."""
    settings = res.settings
    url = settings.public_url + rules.PATH
    return Wanted(url=url, header=settings.webhook_secret_header, secrets=settings.webhook_secrets)


def check(res: Resources) -> list[Fault]:
    """
    Return what is wrong with our webhook at Pluggy; nothing: all is well.

    Raises:
        PluggyError: Pluggy does not say.
    """
    return rules.faults(res.pluggy.webhooks(), wanted(res))


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """
    What came to our webhook: where Pluggy does not show the secret, this alone tells whether it is right.

    `taken_at`: when the last delivery came whose secret was right; None: none is stored. `rejected`: what was answered
    401 in the last ten to twenty minutes, of strangers too. `unknown`: Postgres or Redis, if they did not say.
    """

    taken_at: datetime | None
    rejected: Sequence[Rejected]
    unknown: Sequence[str]


def arrivals(res: Resources) -> Arrivals:
    """Return what came to our webhook of late, as far as Postgres and Redis answer."""
    taken_at, rejected, unknown = None, list[Rejected](), []
    try:
        with res.database.begin() as conn:
            taken_at = observations.last_delivery(conn)
    except SQLAlchemyError:
        unknown.append("Postgres")
    try:
        rejected = rejections.latest(res.redis, res.now())
    except RedisError:
        unknown.append("Redis")
    return Arrivals(taken_at=taken_at, rejected=rejected, unknown=unknown)


def register(res: Resources, *, remove_others: bool = False) -> Webhook:
    """
    Have one webhook to our address: on, for all events, with the first of the secrets. Return it.

    The oldest that is there is changed; without one, one is made. *remove_others*: remove what else is to our address.

    Raises:
        PluggyError: Pluggy refuses, or does not answer. What was done before stays, and it may be repeated.
    """
    how = wanted(res)
    headers = {how.header: res.settings.webhook_secrets[0]}
    known = rules.ours(res.pluggy.webhooks(), how.url)
    if not known:
        return res.pluggy.create_webhook(how.url, event=ALL, headers=headers)
    first, *others = known
    if remove_others:
        for each in others:
            res.pluggy.delete_webhook(each.id)
    # Other headers that somebody gave it stay.
    kept = {name: value for name, value in (first.headers or {}).items() if name.lower() != how.header.lower()}
    return res.pluggy.change_webhook(first.id, event=ALL, headers={**kept, **headers})
