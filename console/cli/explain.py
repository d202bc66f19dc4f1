"""`pluggy-sync explain`: why an Item is as it is, from what happened to it. No bank data."""

from datetime import datetime

import click
from rich.text import Text

from console.cli import options, output
from console.cli.exits import UnknownError
from console.cli.item_argument import ITEM
from console.cli.output import age
from console.cli.reading import Reading, reading
from pluggy_sync.rules import timeline as words
from pluggy_sync.store import explanations, timeline
from pluggy_sync.store.explanations import Explained


@click.command()
@click.argument("item_id", metavar="ITEM", type=ITEM)
@options.since
@options.limit
@options.as_json
def explain(item_id: str, *, since: datetime | None, limit: int, as_json: bool) -> None:
    """
    Say why ITEM is as it is: one sentence, what is due next, and what happened.

    What happened is listed newest first: deliveries and what was decided, sync runs, what persons were asked and gave,
    notifications and their answers.
    """
    with reading() as read:
        grace = read.settings.stale_after
        explained = explanations.read(read.conn, item_id, now=read.now, grace=grace)
        entries = [
            entry
            for entry in timeline.before(read.conn, item_id, None, limit=limit)
            if since is None or entry.at >= since
        ]
        if explained is None and not entries:
            raise UnknownError("This Item is not known here.")
    if as_json:
        output.as_json(_in_json(item_id, explained, entries))
        return
    if explained is not None:
        _say(read, explained)
    _list(read, entries)
    if len(entries) == limit:
        click.echo(f"The newest {limit}: --limit shows more.")


def _say(read: Reading, explained: Explained) -> None:
    output.line(Text(explained.sentence, style="bold"))
    for remark in explained.remarks:
        output.line(remark)
    until = " as last fetched" if explained.may_have_changed else ""
    output.facts([("item", explained.item.id), ("state", output.state(explained.freshness.state, until))])
    if explained.due:
        output.line("Next")
    for due in explained.due:
        output.line(_line(due.at, read.now, words.words_of_due(due)))


def _list(read: Reading, entries: list[words.Entry]) -> None:
    output.line("What happened, the newest first")
    for each in entries:
        output.line(_line(each.at, read.now, words.words(each), each.id))


def _line(at: datetime, now: datetime, text: str, id_: str = "") -> Text:
    when = f"  {output.moment(at)}  {age(at, now):<14}  "
    return Text.assemble((when, "dim"), text, (f"  {id_}" if id_ else "", "dim"))


def _in_json(item_id: str, explained: Explained | None, entries: list[words.Entry]) -> dict[str, object]:
    return {
        "itemId": item_id,
        "explanation": None if explained is None else explained.sentence,
        "remarks": [] if explained is None else list(explained.remarks),
        "freshness": None if explained is None else explained.freshness.state.value,
        "news": None
        if explained is None or explained.news is None
        else {"events": explained.news.number, "givenUp": explained.news.given_up, "since": explained.news.since},
        "due": []
        if explained is None
        else [
            {"at": due.at, "kind": due.kind.value, "about": due.about, "text": words.words_of_due(due)}
            for due in explained.due
        ],
        "timeline": [
            {
                "at": each.at,
                "kind": each.kind.value,
                "id": each.id,
                "text": words.words(each),
                "facts": {name: value for name, value in each.facts.items() if value is not None},
            }
            for each in entries
        ],
    }
