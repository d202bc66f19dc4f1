"""`pluggy-sync endpoints`: where notifications go, how each endpoint does, and helping one."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from console.cli import connections, options, output
from console.cli.exits import UnknownError
from console.cli.moments import MOMENT
from pluggy_sync import wire
from pluggy_sync.notifications import endpoints as use
from pluggy_sync.notifications.messages import TYPES
from pluggy_sync.resources import Resources
from pluggy_sync.store import deliveries
from pluggy_sync.store import endpoints as stored
from pluggy_sync.store.deliveries import Attempt
from pluggy_sync.store.endpoints import Endpoint


@contextmanager
def _resources() -> Iterator[Resources]:
    """Yield the connections; what cannot be used ends the command with its reason."""
    try:
        with connections.resources() as res:
            yield res
    except use.UnusableError as exc:
        raise click.ClickException(f"{exc.field}: {exc}") from None
    except use.OfSettingsError:
        raise click.ClickException("That one is changed in the settings: PRODUCT_WEBHOOK_URL and _SECRET.") from None


@click.group(invoke_without_command=True)
@options.as_json
@click.pass_context
def endpoints(ctx: click.Context, *, as_json: bool) -> None:
    """
    List, make, change and help the endpoints of the product.

    Without a command: list them, and how they do.
    """
    if ctx.invoked_subcommand is not None:
        return
    with _resources() as res, res.database.begin() as conn:
        stored.follow_settings(conn, res.settings.product_webhook_url)
        found = stored.all_(conn)
        waiting = deliveries.pending_by_endpoint(conn)
    if as_json:
        output.as_json([{**_shown(each), "pending": waiting.get(each.id, 0)} for each in found])
        return
    now = res.now()
    rows = [
        (
            each.id,
            output.state(each.state, f" ({each.stop_reason})" if each.stop_reason else ""),
            output.age(each.stopped_at or each.failing_since, now),
            output.age(each.retry_at, now),
            str(waiting.get(each.id, 0)),
            ", ".join(each.types or ["all"]),
            each.url or "PRODUCT_WEBHOOK_URL",
            output.shown(each.description),
        )
        for each in found
    ]
    output.listing(("Endpoint", "State", "Since", "Retry", "Pending", "Types", "Address", "Description"), rows)


@endpoints.command()
@click.argument("url")
@click.option(
    "--type", "types", multiple=True, type=click.Choice(TYPES), help="Only these; may be given several times."
)
@click.option("--description")
def create(url: str, *, types: tuple[str, ...], description: str | None) -> None:
    """Make an endpoint at URL, and print its secret, which is not shown again."""
    with _resources() as res:
        made, secret = use.create(res, url=url, secret=None, description=description, types=types or None, enabled=True)
    click.echo(f"{made.id}\n{secret}")


@endpoints.command()
@click.argument("endpoint_id", metavar="ID")
@click.option("--url")
@click.option("--type", "types", multiple=True, type=click.Choice([*TYPES, "all"]))
@click.option("--description")
@click.option("--enable/--disable", "enabled", default=None)
def change(
    endpoint_id: str, *, url: str | None, types: tuple[str, ...], description: str | None, enabled: bool | None
) -> None:
    """Change what is given of an endpoint."""
    given: dict[str, Any] = {"url": url, "description": description, "enabled": enabled}
    values = {name: value for name, value in given.items() if value is not None}
    if types:
        values["types"] = None if "all" in types else list(types)
    with _resources() as res:
        _there(use.change(res, endpoint_id, values))
    click.echo(f"{endpoint_id}: changed")


@endpoints.command()
@click.argument("endpoint_id", metavar="ID")
@options.yes
def delete(endpoint_id: str, *, yes: bool) -> None:
    """Delete an endpoint, with what waits for it."""
    with _resources() as res:
        if not yes:
            waiting = options.number(_waiting(res, endpoint_id), "notification", "notifications")
            click.confirm(f"{waiting} that wait for it are dropped. Delete it?", abort=True)
        if not use.delete(res, endpoint_id):
            raise UnknownError("No such endpoint.")
    click.echo(f"{endpoint_id}: deleted")


@endpoints.command()
@click.argument("endpoint_id", metavar="ID")
def ping(endpoint_id: str) -> None:
    """Send an endpoint `endpoint.ping`. Then look at its attempts."""
    with _resources() as res:
        notification_id = use.ping(res, endpoint_id)
        if notification_id is None:
            raise UnknownError("No such endpoint.")
    click.echo(notification_id)


@endpoints.command("rotate-secret")
@click.argument("endpoint_id", metavar="ID")
def rotate_secret(endpoint_id: str) -> None:
    """Give an endpoint a new secret and print it. For a day the one before signs too."""
    with _resources() as res:
        rotated = use.rotate_secret(res, endpoint_id, None)
        if rotated is None:
            raise UnknownError("No such endpoint.")
    click.echo(rotated[1])


@endpoints.command()
@click.argument("endpoint_id", metavar="ID")
def resume(endpoint_id: str) -> None:
    """Send to a stopped endpoint again, first what has waited."""
    with _resources() as res:
        _there(use.resume(res, endpoint_id))
        waiting = options.number(_waiting(res, endpoint_id), "notification", "notifications")
    click.echo(f"{endpoint_id}: resumed; the sweep delivers what waits: {waiting}")


def _waiting(res: Resources, endpoint_id: str) -> int:
    """Return how many notifications wait for the endpoint."""
    with res.database.begin() as conn:
        return deliveries.pending_by_endpoint(conn).get(endpoint_id, 0)


@endpoints.command()
@click.argument("endpoint_id", metavar="ID")
@click.option("--since", type=MOMENT, required=True, help="Notifications written from then on.")
@options.yes
def recover(endpoint_id: str, *, since: datetime, yes: bool) -> None:
    """
    Send what an endpoint did not get: dead letters, and what was written while it was not there.

    They are counted first.
    """
    with _resources() as res:
        counted = use.count_recoverable(res, endpoint_id, since=since, at_most=options.COUNTED)
        if counted is None:
            raise UnknownError("No such endpoint.")
        if counted and not yes:
            what = options.number(counted, "notification", "notifications")
            click.confirm(f"{what} since {output.moment(since)} that it did not get. Send them?", abort=True)
        sent = use.recover(res, endpoint_id, since=since)
    click.echo(f"{sent} due; the sweep queues them")


@endpoints.command()
@click.argument("endpoint_id", metavar="ID")
@options.limit
@options.as_json
def attempts(endpoint_id: str, *, limit: int, as_json: bool) -> None:
    """List the newest attempts at an endpoint, with how its answers begin."""
    with _resources() as res, res.database.begin() as conn:
        _there(stored.get(conn, endpoint_id))
        found = deliveries.attempts_before(conn, endpoint_id, None, limit=limit)
    if as_json:
        output.as_json([_attempt(each) for each in found])
        return
    rows = [
        (
            each.notification_id,
            each.type,
            output.moment(each.started_at),
            f"{each.duration_ms} ms",
            str(each.status_code) if each.status_code is not None else output.shown(each.error),
            output.shown(each.answer),
        )
        for each in found
    ]
    output.listing(("Notification", "Type", "Started", "Took", "Status", "Answer"), rows)
    if not rows:
        click.echo("No attempts.")


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "notificationId": attempt.notification_id,
        "type": attempt.type,
        "startedAt": attempt.started_at,
        "durationMs": attempt.duration_ms,
        "statusCode": attempt.status_code,
        "error": attempt.error,
        "answer": attempt.answer,
    }


def _there(endpoint: Endpoint | None) -> Endpoint:
    if endpoint is None:
        raise UnknownError("No such endpoint.")
    return endpoint


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "types": endpoint.types,
        "state": endpoint.state,
        "failingSince": wire.to_text(endpoint.failing_since),
        "retryAt": wire.to_text(endpoint.retry_at),
        "stoppedAt": wire.to_text(endpoint.stopped_at),
        "stopReason": endpoint.stop_reason,
    }
