"""The group of all commands. Each command's module is loaded when it is called."""

import click

from console.cli.lazy_group import Entry, LazyGroup

_ENTRIES = {
    "status": Entry("console.cli.status:status", "Show how the service does, on one screen."),
    "doctor": Entry(
        "console.cli.doctor:doctor", "Look at all that the service stands on, and say what is wrong and what to do."
    ),
    "items": Entry("console.cli.items:items", "List Items, search them, or show one."),
    "explain": Entry(
        "console.cli.explain:explain", "Say why ITEM is as it is: one sentence, what is due next, and what happened."
    ),
    "sync": Entry("console.cli.syncs:sync", "Sync ITEM now, and wait for it."),
    "reconcile": Entry(
        "console.cli.syncs:reconcile", "Compare everything that is stored of ITEM with Pluggy and repair it."
    ),
    "import": Entry(
        "console.cli.imports:import_items", "Take over the Items that FILE names (- for standard input), and sync each."
    ),
    "replay": Entry("console.cli.replays:replay", "Handle events of Pluggy once more, handled ones too."),
    "quotas": Entry("console.cli.quotas:quotas", "Show whose Open Finance requests of this month are used up."),
    "links": Entry("console.cli.links:links", "Show, preview, confirm and undo links of Items for the same accounts."),
    "events": Entry("console.cli.events:events", "List events of Pluggy, or handle one again."),
    "notifications": Entry(
        "console.cli.notifications:notifications", "List notifications to the product, or send them again."
    ),
    "webhooks": Entry("console.cli.webhooks:webhooks", "List, check, register and rotate our webhook at Pluggy."),
    "endpoints": Entry("console.cli.endpoints:endpoints", "List, make, change and help the endpoints of the product."),
    "tokens": Entry("console.cli.tokens:tokens", "Make, list and revoke the tokens of `/v1`."),
    "erase": Entry(
        "console.cli.erase:erase", "Erase the person whom the product calls USER: at Pluggy, and everything here."
    ),
    "console-login": Entry(
        "console.cli.console_login:console_login", "Print what CONSOLE_LOGINS takes for operator NAME."
    ),
    "spill": Entry("console.cli.spill:spill", "List what waits while Postgres is away, or bring it in."),
    "prune": Entry("console.cli.prune:prune", "Remove what is older than the settings KEEP_... say."),
    "migrate": Entry("console.cli.installation:migrate", "Bring the database to the present schema."),
    "check": Entry("console.cli.installation:check", "Check the settings, and name every fault."),
    "completion": Entry("console.cli.completion:completion", "Print what lets a shell complete these commands."),
}


NAMES = tuple(_ENTRIES)


@click.group(cls=LazyGroup, entries=_ENTRIES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pluggy-sync", message="%(package)s %(version)s")
def main() -> None:
    """
    Operate pluggy-sync.

    Settings come from the environment, else from .env, else from the service that `make up` runs in this folder;
    docs/settings.md explains them, docs/commands.md the commands and their exit statuses.
    """
