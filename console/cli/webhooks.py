"""`pluggy-sync webhooks`: our webhook at Pluggy. Secrets are not shown."""

from datetime import datetime

import click
from rich.text import Text

from console.cli import connections, options, output
from console.cli.exits import FAILED
from console.cli.output import age
from pluggy_sync.engine import webhooks as use
from pluggy_sync.engine.webhooks import Arrivals
from pluggy_sync.pluggy.payloads import Webhook
from pluggy_sync.rules import webhooks as rules
from pluggy_sync.rules.alerts import of_rejected, rejected_in_words
from pluggy_sync.rules.webhooks import SecretState
from pluggy_sync.store.database import LOOK


@click.group()
def webhooks() -> None:
    """List, check, register and rotate our webhook at Pluggy."""


@webhooks.command("list")
@options.as_json
def list_webhooks(*, as_json: bool) -> None:
    """
    List all webhooks of our application at Pluggy, and what came to ours.

    A delivery with a wrong secret is answered 401, and is lost. Pluggy shows the webhook as on all the same.
    """
    with connections.resources(bounds=LOOK) as res:
        found = res.pluggy.webhooks()
        how = use.wanted(res)
        now = res.now()
        came = use.arrivals(res)
    ours = {each.id: rules.secret_of(each, how) for each in rules.ours(found, how.url)}
    if as_json:
        output.as_json([{**_in_json(each), "isOurs": each.id in ours, "secret": ours.get(each.id)} for each in found])
        return
    rows = [
        (
            each.id,
            "ours" if each.id in ours else "-",
            each.event,
            _state(each, now),
            _secret(ours.get(each.id)),
            _headers(each),
            age(each.created_at, now),
            each.url,
        )
        for each in found
    ]
    output.listing(("Webhook", "Ours", "Event", "State", "Secret", "Headers", "Made", "Address"), rows)
    click.echo(f"Ours are those to {how.url}")
    _say_what_came(came, now)


def _state(webhook: Webhook, now: datetime) -> Text:
    if webhook.disabled_at is None:
        # That it is switched on is all that Pluggy says.
        return output.state("on")
    return output.state("disabled", f" {age(webhook.disabled_at, now)}")


def _secret(known: SecretState | None) -> Text:
    bad = known in (SecretState.WRONG, SecretState.MISSING)
    return Text("-" if known is None else known.value, style="bold red" if bad else "")


def _say_what_came(came: Arrivals, now: datetime) -> None:
    if "Postgres" in came.unknown:
        taken = "not known: Postgres does not answer"
    else:
        taken = "none" if came.taken_at is None else f"{age(came.taken_at, now)}, at {output.moment(came.taken_at)}"
    rejected = "not known: Redis does not answer" if "Redis" in came.unknown else rejected_in_words(came.rejected)
    output.facts([("last delivery taken", taken), ("answered 401", rejected)])


def _headers(webhook: Webhook) -> str:
    """Return the names of the headers: their values are secrets."""
    return "not shown by Pluggy" if webhook.headers is None else ", ".join(sorted(webhook.headers)) or "none"


def _in_json(webhook: Webhook) -> dict[str, object]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "event": webhook.event,
        "headers": None if webhook.headers is None else sorted(webhook.headers),
        "createdAt": webhook.created_at,
        "disabledAt": webhook.disabled_at,
    }


@webhooks.command()
@options.as_json
def check(*, as_json: bool) -> None:
    """
    Check our webhook: there, on, with our secret, all events, once.

    Exits 1 if something is wrong.
    """
    with connections.resources(bounds=LOOK) as res:
        faults = use.check(res)
        came = use.arrivals(res)
        now = res.now()
    found = [(each.kind.value, each.webhook_id, each.detail) for each in faults]
    # The secret may be wrong where Pluggy does not show it, or in WEBHOOK_SECRETS of the web processes.
    found += [("answered 401", None, each.detail) for each in of_rejected(came.rejected)]
    if as_json:
        output.as_json([{"kind": kind, "webhookId": about, "detail": detail} for kind, about, detail in found])
    elif found:
        output.listing(("Fault", "Detail"), [(Text(kind, style="bold red"), detail) for kind, _, detail in found])
        click.echo("`pluggy-sync webhooks register` mends it; with `--remove-others` it removes duplicates.")
    else:
        click.echo("Our webhook is as it should be.")
    if not as_json:
        _say_what_came(came, now)
    if found:
        raise SystemExit(FAILED)


@webhooks.command()
@click.option("--remove-others", is_flag=True, help="Remove what else is to our address. Asks first.")
@options.yes
def register(*, remove_others: bool, yes: bool) -> None:
    """
    Have one webhook to our address: on, for all events, with the secret header.

    Safe to repeat. What is there is changed; without one, one is made. The secret is the first of WEBHOOK_SECRETS.
    """
    with connections.resources() as res:
        others = rules.ours(res.pluggy.webhooks(), use.wanted(res).url)[1:] if remove_others else []
        if others and not yes:
            listed = ", ".join(f"{each.id} ({each.event})" for each in others)
            click.confirm(
                f"{options.number(len(others), 'webhook', 'webhooks')} to our address: {listed}. Remove?", abort=True
            )
        made = use.register(res, remove_others=remove_others)
        faults = use.check(res)
    click.echo(f"{made.id}: {made.event} to {made.url}")
    for fault in faults:
        click.echo(f"still wrong: {fault.kind.value}: {fault.detail}", err=True)
    if faults:
        raise SystemExit(FAILED)


@webhooks.command()
def rotate() -> None:
    """
    Let Pluggy send the first of WEBHOOK_SECRETS from now on.

    First put the new secret before the old one in WEBHOOK_SECRETS, and restart the web processes: they take both. Then
    call this. Drop the old one some hours later, when Pluggy repeats no delivery any more.
    """
    with connections.resources() as res:
        if len(res.settings.webhook_secrets) < 2:
            raise click.ClickException(
                "WEBHOOK_SECRETS holds one value. Put the new secret before it (new,old) and restart the web processes "
                "first: a delivery with a secret that they do not know is answered 401, and is lost."
            )
        changed = use.register(res)
    click.echo(
        f"{changed.id}: Pluggy sends the new secret. Drop the old one from WEBHOOK_SECRETS after three hours: "
        "until then Pluggy may repeat deliveries with it."
    )
