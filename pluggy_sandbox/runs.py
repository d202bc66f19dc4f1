"""Runs: the machine that plays an Item's story, ends it, and plans the next one (Pluggy facts 3.2, 3.7, 4.2)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pluggy_sandbox import events, stories
from pluggy_sandbox.asking import Answer, Ask, Story
from pluggy_sandbox.connectors import Login
from pluggy_sandbox.encoding import Json
from pluggy_sandbox.items import Item, enter
from pluggy_sandbox.outcomes import RunFailedError
from pluggy_sandbox.world import World

_SPAREABLE_ERRORS = 5  # so often is a failed Item tried again by itself


@dataclass
class Run:
    """One execution in progress."""

    story: Story
    triggered_by: str
    ask: Ask | None = None


def start(world: World, item: Item, triggered_by: str) -> None:
    """Start a run; the caller has checked that none is in progress."""
    item.runs += 1
    item.before_run = item.execution_status
    item.error = item.parameter = item.user_action = None
    item.next_auto_sync_at = None
    enter(item, "UPDATING", "CREATED" if item.runs == 1 else "LOGIN_IN_PROGRESS", world.clock.now)
    run = item.run = Run(stories.tell(world, item, triggered_by), triggered_by)
    _later(world, item, run)


def answer(world: World, item: Item, run: Run, value: str) -> None:
    """Give the waiting run of *item* what it asked for."""
    run.ask, item.parameter, item.user_action = None, None, None
    enter(item, "UPDATING", "LOGIN_MFA_IN_PROGRESS", world.clock.now)
    _later(world, item, run, value)


def stop(item: Item) -> None:
    """Abandon the run in progress, if any, without a trace."""
    item.run = None


def plan_auto_sync(world: World, item: Item, wait: timedelta) -> None:
    """Set when the next auto-sync is due: never in development mode, nor where a person is needed each time."""
    possible = item.connector.login in (Login.PASSWORD, Login.OPEN_FINANCE)
    if world.settings.mode != "production" or item.auto_sync_disabled_at or not possible:
        item.next_auto_sync_at = None
        return
    due = item.next_auto_sync_at = item.updated_at + wait
    world.clock.at(due, lambda: _auto_sync(world, item, due))


def _later(world: World, item: Item, run: Run, value: Answer = None) -> None:
    pause = world.settings.run_seconds / (len(item.products) + 4)
    world.timers.after(pause, lambda: _step(world, item, run, value))


def _step(world: World, item: Item, run: Run, value: Answer = None, failure: RunFailedError | None = None) -> None:
    with world.lock:
        if item.run is not run:
            return  # deleted, or overtaken, meanwhile
        try:
            wanted = run.story.throw(failure) if failure else run.story.send(value)
        except StopIteration:
            _succeed(world, item, run)
        except RunFailedError as exc:
            _fail(world, item, run, exc)
        else:
            if isinstance(wanted, Ask):
                _wait(world, item, run, wanted)
            else:
                _later(world, item, run)
        world.changed.notify_all()


def _wait(world: World, item: Item, run: Run, ask: Ask) -> None:
    run.ask, item.parameter, item.user_action = ask, ask.parameter, ask.user_action
    enter(item, ask.state, ask.state, world.clock.now)
    event = "item/waiting_user_input" if ask.parameter else "item/waiting_user_action"
    events.item_event(world, item, event, run.triggered_by)
    world.clock.at(ask.expires_at, lambda: _expire(world, item, run, ask))


def _expire(world: World, item: Item, run: Run, ask: Ask) -> None:
    if item.run is run and run.ask is ask:
        run.ask = None
        _step(world, item, run, failure=RunFailedError(ask.when_late, parameter=ask.name or None))


def _succeed(world: World, item: Item, run: Run) -> None:
    first = item.last_updated_at is None
    partial = any(part and not part["isUpdated"] for part in (item.status_detail or {}).values())
    enter(item, "UPDATED", "PARTIAL_SUCCESS" if partial else "SUCCESS", world.clock.now)
    item.run, item.last_updated_at, item.last_run_ended_at = None, item.updated_at, item.updated_at
    item.failed_logins = item.errors_in_row = 0
    plan_auto_sync(world, item, timedelta(hours=world.settings.auto_sync_hours))
    _plan_cleanup(world, item)
    events.item_event(world, item, "item/created" if first else "item/updated", run.triggered_by)


def _fail(world: World, item: Item, run: Run, failure: RunFailedError) -> None:
    enter(item, failure.status, failure.code, world.clock.now)
    item.run, item.last_run_ended_at = None, item.updated_at
    item.parameter = item.user_action = None
    item.failed_logins = item.failed_logins + 1 if failure.status == "LOGIN_ERROR" else item.failed_logins
    item.errors_in_row += 1
    item.error = {"code": failure.code, "message": failure.message}
    if failure.provider_message:
        item.error["providerMessage"] = failure.provider_message
    if failure.waits_seconds is not None:
        _resume_later(world, item, timedelta(seconds=failure.waits_seconds))
    elif failure.status != "LOGIN_ERROR" and item.errors_in_row <= _SPAREABLE_ERRORS:
        plan_auto_sync(world, item, timedelta(hours=1))
    _plan_cleanup(world, item)
    told: Json = {"code": failure.code, "message": failure.message}
    if failure.parameter:
        told["parameter"] = failure.parameter
    events.item_event(world, item, "item/error", run.triggered_by, error=told)


def _resume_later(world: World, item: Item, wait: timedelta) -> None:
    """Let Pluggy try again by itself, as it does some minutes after an approval (Pluggy facts 3.3)."""
    runs = item.runs

    def resume() -> None:
        if world.items.get(item.id) is item and item.runs == runs and item.run is None:
            start(world, item, "INTERNAL")

    world.clock.at(world.clock.now + wait, resume)


def _auto_sync(world: World, item: Item, due: datetime) -> None:
    still_due = item.next_auto_sync_at == due and world.items.get(item.id) is item
    if still_due and item.run is None and world.health_of(item.connector).status != "OFFLINE":
        start(world, item, "SYNC")


def _plan_cleanup(world: World, item: Item) -> None:
    days = world.settings.cleanup_days
    if days and item.connector.is_sandbox:
        touched = item.updated_at
        world.clock.at(touched + timedelta(days=days), lambda: _clean_up(world, item, touched))


def _clean_up(world: World, item: Item, touched: datetime) -> None:
    if world.items.get(item.id) is item and item.updated_at == touched:
        forget(world, item)
        events.item_event(world, item, "item/deleted", "INTERNAL")


def forget(world: World, item: Item) -> None:
    """Remove an Item and all that was collected for it."""
    stop(item)
    del world.items[item.id]
    world.deleted.add(item.id)
