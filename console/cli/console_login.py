"""`pluggy-sync console-login`: what lets an operator sign in to the console."""

import secrets

import click


@click.command("console-login")
@click.argument("name")
@click.option("--generate", is_flag=True, help="Make a password and print it too, in place of asking for one.")
def console_login(name: str, *, generate: bool) -> None:
    """
    Print what CONSOLE_LOGINS takes for operator NAME.

    The password is asked for, and stored nowhere. Put the line in single quotes: it holds dollar signs.
    """
    # Werkzeug and Flask take time to load, and no other command needs them.
    from console.pages import passwords  # noqa: PLC0415 - loaded only here

    if not passwords.is_name(name):
        raise click.ClickException("A name has up to 64 letters, digits and any of . _ @ -")
    if generate:
        password = secrets.token_urlsafe(12)
        click.echo(f"password: {password}", err=True)
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        if len(password) < passwords.MIN_LENGTH:
            raise click.ClickException(f"A password has at least {passwords.MIN_LENGTH} characters.")
    click.echo(passwords.login(name, password))
