"""`pluggy-sync doctor`: looks at all that the service stands on, and says what is wrong and what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import click
from rich.text import Text

from console.checkup import alerts, go_live, persons, pluggy, postgres, processes, redis
from console.checkup.at_once import at_once
from console.checkup.results import Check, Result, Verdict, not_seen, passed, results_of
from console.cli import connections, options, output
from console.cli.exits import FAILED
from pluggy_sync.resources import Resources
from pluggy_sync.store.database import LOOK

_SERVICE: tuple[tuple[str, Check], ...] = (
    ("Postgres", postgres.answers),
    ("Schema", postgres.schema),
    ("Pooler", postgres.pooler),
    ("Autovacuum", postgres.autovacuum),
    ("Postgres disk", postgres.disk),
    ("Redis", redis.answers),
    ("Redis persistence", redis.persistence),
    ("Redis memory", redis.memory),
    ("Pluggy sign-in", pluggy.sign_in),
    ("Clock", pluggy.clock),
    ("Webhook", pluggy.webhook),
    ("PUBLIC_URL reaches us", pluggy.reached),
    ("Budget of requests", pluggy.budget),
    ("Workers", processes.workers),
    ("Last sweep", processes.sweeps),
    ("Endpoints", processes.product),
    ("Spill", processes.spilled),
    ("Two Items of one person at one bank", persons.links),
    ("Open Finance quotas", persons.quota),
    ("Pluggy's list of Items", persons.listed),
    ("Alerts", alerts.told),
)
# How long all checks together may take. They are made at once, each in a thread of its own.
BOUND_S = 6.0
# The servers that most checks need are looked at first. One that does not answer is not waited for again: the other
# checks ask in its place where nobody listens, and are refused at once.
_PEERS: Mapping[Check, tuple[str, Mapping[str, Any]]] = {
    postgres.answers: ("Postgres", {"database_url": "postgresql://127.0.0.1:1/away"}),
    redis.answers: ("Redis", {"redis_url": "redis://127.0.0.1:1/0"}),
}


@click.command()
@click.option("--go-live/--no-go-live", "with_list", default=True, help="Pluggy's go-live list too; on unless refused.")
@options.as_json
def doctor(*, with_list: bool, as_json: bool) -> None:
    """
    Look at all that the service stands on, and say what is wrong and what to do.

    Then Pluggy's go-live list, line by line. Changes nothing, and takes some seconds, also while a server does not
    answer: what could not be looked at says so. Exits 1 if there is a problem; a heads-up is none.
    """
    with connections.resources(pool_size=2, bounds=LOOK) as res:
        found = _looked_at(res, [each for each in _SERVICE if each[1] in _PEERS])
        settings = res.settings
    for peer, (name, nowhere) in _PEERS.items():
        # What it says of itself otherwise has other names.
        if name in {each.about for each in found.get(peer, [])}:
            settings = replace(settings, **nowhere)
    lines = go_live.LINES if with_list else ()
    with connections.resources(settings, pool_size=4, bounds=LOOK) as res:
        found |= _looked_at(res, [*(each for each in _SERVICE if each[1] not in _PEERS), *lines])
    service = [passed("Settings", "complete"), *(result for _, check in _SERVICE for result in found[check])]
    listed = [result for _, check in lines for result in found[check]]
    if as_json:
        output.as_json({"service": [_in_json(each) for each in service], "goLive": [_in_json(each) for each in listed]})
    else:
        _show("The service", service)
        if listed:
            _show("Pluggy's go-live list", listed)
        click.echo(_summary([*service, *listed]))
    if any(each.verdict is Verdict.PROBLEM for each in [*service, *listed]):
        raise SystemExit(FAILED)


def _looked_at(res: Resources, checks: Sequence[tuple[str, Check]]) -> dict[Check, list[Result]]:
    """Return what each of *checks* says, all made at once."""
    looks = [partial(results_of, check, about, res) for about, check in checks]
    found: dict[Check, list[Result]] = {}
    for (about, check), seen in zip(checks, at_once(looks, seconds=BOUND_S), strict=True):
        late = [] if seen.ended else [not_seen(about, f"it had no answer within {BOUND_S:.0f} s")]
        found[check] = [*seen.results, *late]
    return found


def _show(title: str, results: Sequence[Result]) -> None:
    output.line(Text(title, style="bold"))
    width = max(len(each.about) for each in results)
    for each in results:
        verdict = output.state(each.verdict.value)
        verdict.pad_right(len(Verdict.HEADS_UP) - len(verdict.plain))
        output.line(Text.assemble("  ", verdict, f"  {each.about:<{width}}  {each.detail}"))
        if each.remedy is not None:
            output.line(Text.assemble(" " * (width + 14), ("→ ", "dim"), each.remedy))


def _summary(results: Sequence[Result]) -> str:
    verdicts = [each.verdict for each in results]
    named = {
        Verdict.PROBLEM: "problems",
        Verdict.HEADS_UP: "heads-ups",
        Verdict.NOT_SEEN: "not seen",
        Verdict.PASS: "pass",
    }
    return ", ".join(f"{verdicts.count(verdict)} {name}" for verdict, name in named.items() if verdict in verdicts)


def _in_json(result: Result) -> dict[str, str | None]:
    return {
        "about": result.about,
        "verdict": result.verdict.value,
        "detail": result.detail,
        "remedy": result.remedy,
    }
