"""What the doctor looks at of persons: Items that may be one, quotas that are used up, Items that one side lacks."""

from collections.abc import Iterator

from console.checkup.results import Result, heads_up, passed
from pluggy_sync.resources import Resources
from pluggy_sync.store import item_links, item_list, quotas
from pluggy_sync.store.item_links import State

# More are not counted.
MOST = 1000


def links(res: Resources) -> Iterator[Result]:
    """Look at Items of one person at one bank that may be one connection."""
    about = "Two Items of one person at one bank"
    with res.database.begin() as conn:
        waiting = len(item_links.newest(conn, state=State.SUGGESTED, limit=MOST))
    if waiting:
        remedy = "pluggy-sync links list --state suggested, then links preview, and confirm or undo"
        yield heads_up(about, f"{waiting} may be one connection that was made anew", remedy)
    else:
        yield passed(about, "none waits for a decision")


def quota(res: Resources) -> Iterator[Result]:
    """Look at the month's Open Finance requests."""
    about = "Open Finance quotas"
    with res.database.begin() as conn:
        found = quotas.used_up(conn, now=res.now(), limit=MOST)
    if not found:
        yield passed(about, "none is known to be used up")
        return
    shared = sum(each.items_at_bank > 1 for each in found)
    several = f"; {shared} of them of persons with several Items at that bank, which share one quota" if shared else ""
    again = quotas.there_again_on(res.now())
    yield heads_up(about, f"used up for {len(found)} Items until {again}{several}", "pluggy-sync quotas says whose")


def listed(res: Resources) -> Iterator[Result]:
    """Look at the last comparison with Pluggy's list of Items."""
    about = "Pluggy's list of Items"
    with res.database.begin() as conn:
        check = item_list.get(conn, res.settings.pluggy_client_id)
    if check.refused_at is not None:
        yield passed(about, "not enabled for this application, so not compared")
    elif check.finished_at is None:
        yield passed(about, "not compared yet")
    elif check.unknown_here or check.unknown_there:
        said = f"{check.unknown_here} were unknown here, {check.unknown_there} were not listed; both were fetched"
        yield heads_up(about, said, "check the webhook: events were lost")
    else:
        yield passed(about, "the same as ours")
