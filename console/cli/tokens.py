"""`pluggy-sync tokens`: who may call `/v1`, and what each may do there."""

from datetime import UTC, datetime

import click

from console.cli import connections, options, output
from console.cli.exits import UnknownError
from console.cli.output import age
from pluggy_sync import wire
from pluggy_sync.rules.scopes import Scope
from pluggy_sync.store import api_tokens
from pluggy_sync.store.api_tokens import ApiToken, NameTakenError

_MOST_CHARACTERS = 100


def _name(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not (value.strip() == value and value.isprintable() and 0 < len(value) <= _MOST_CHARACTERS):
        raise click.BadParameter(f"1 to {_MOST_CHARACTERS} characters, without spaces at its ends.")
    return value


@click.group()
def tokens() -> None:
    """
    Make, list and revoke the tokens of `/v1`.

    A token has a scope. `read`: what is stored. `act`: that, and what the product does for its persons every day.
    `admin`: all. Those in API_TOKENS may do all, and are changed in the settings.
    """


@tokens.command("list")
@options.as_json
def list_tokens(*, as_json: bool) -> None:
    """List all tokens, revoked ones too, and when each was last used (up to five minutes late)."""
    with connections.resources() as res, res.database.begin() as conn:
        found = api_tokens.all_(conn)
        of_settings = len(res.settings.api_tokens)
    if as_json:
        output.as_json([_shown(each) for each in found])
        return
    now = datetime.now(UTC)
    rows = [
        (
            each.id,
            each.name,
            each.scope.value,
            age(each.created_at, now),
            age(each.last_used_at, now),
            age(each.revoked_at, now),
        )
        for each in found
    ]
    output.listing(("Token", "Name", "Scope", "Made", "Last used", "Revoked"), rows)
    click.echo(f"{of_settings} more in API_TOKENS, which may do all.")


@tokens.command()
@click.argument("name", callback=_name)
@click.option(
    "--scope", required=True, type=click.Choice([each.value for each in Scope]), help="What it may do; see `tokens`."
)
@options.as_json
def create(name: str, *, scope: str, as_json: bool) -> None:
    """Make a token called NAME, and print it. It is not shown again."""
    with connections.resources() as res, res.database.begin() as conn:
        try:
            made, text = api_tokens.create(conn, name, Scope(scope), now=res.now())
        except NameTakenError:
            raise click.ClickException(f"There is a token {name!r}. Revoke it first, or choose another name.") from None
    if as_json:
        output.as_json({**_shown(made), "token": text})
        return
    click.echo(text)
    click.echo(f"{made.id} {name!r}, scope {scope}. Keep it: it is not shown again.", err=True)


@tokens.command()
@click.argument("name_or_id", metavar="NAME_OR_ID")
@options.as_json
def revoke(name_or_id: str, *, as_json: bool) -> None:
    """Revoke a token. Within seconds no process takes it any more."""
    with connections.resources() as res, res.database.begin() as conn:
        revoked = api_tokens.revoke(conn, name_or_id, now=res.now())
    if revoked is None:
        raise UnknownError(f"There is no valid token {name_or_id!r}. Those in API_TOKENS are in the settings.")
    if as_json:
        output.as_json(_shown(revoked))
        return
    click.echo(f"{revoked.id} {revoked.name!r}: revoked")


def _shown(token: ApiToken) -> dict[str, str | None]:
    return {
        "id": token.id,
        "name": token.name,
        "scope": token.scope.value,
        "createdAt": wire.to_text(token.created_at),
        "lastUsedAt": wire.to_text(token.last_used_at),
        "revokedAt": wire.to_text(token.revoked_at),
    }
