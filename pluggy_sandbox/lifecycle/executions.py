"""Executions: the machine that takes the steps of one, ends it, and plans the next one (Pluggy facts 3.2, 3.7, 4.2)."""

from datetime import datetime, timedelta

from pluggy_sandbox.catalogue.connectors import Login
from pluggy_sandbox.catalogue.outcomes import ExecutionFailedError
from pluggy_sandbox.lifecycle import events, stories
from pluggy_sandbox.state.executions import Ask, Execution
from pluggy_sandbox.state.items import Item, enter
from pluggy_sandbox.state.world import World
from pluggy_sandbox.wire.encoding import Json

_SPAREABLE_ERRORS = 5  # so often is a failed Item tried again by itself


def start(world: World, item: Item, triggered_by: str) -> None:
    """Start an execution; the caller has checked that none is in progress."""
    item.history.executions += 1
    item.history.outcome_before = item.execution_status
    item.error = item.parameter = item.user_action = None
    item.auto_sync.next_at = item.auto_sync.resumes_at = None
    enter(item, "UPDATING", "CREATED" if item.history.executions == 1 else "LOGIN_IN_PROGRESS", world.clock.now)
    execution = item.execution = Execution(triggered_by, stories.steps(item))
    _later(world, item, execution)


def answer(world: World, item: Item, execution: Execution, value: str) -> None:
    """Give the waiting execution of *item* what it asked for."""
    execution.ask, item.parameter, item.user_action = None, None, None
    execution.answer = value
    enter(item, "UPDATING", "LOGIN_MFA_IN_PROGRESS", world.clock.now)
    _later(world, item, execution)


def stop(item: Item) -> None:
    """Abandon the execution in progress, if any, without a trace."""
    item.execution = None


def resume(world: World, item: Item) -> None:
    """Go on with *item* after a restart of the sandbox: with its execution, and with what it starts by itself."""
    execution = item.execution
    if execution is None:
        _plan_cleanup(world, item)
    elif execution.ask is None:
        _later(world, item, execution)
    else:
        _set_deadline(world, item, execution, execution.ask)
    _set_auto_sync(world, item)
    _set_resumption(world, item)


def plan_anew(world: World) -> None:
    """Set when each Item that is at rest syncs by itself, after settings that decide it were changed."""
    for item in world.items.values():
        if item.execution is None:
            _plan_auto_sync(world, item)


def set_pace(world: World) -> None:
    """Let the executions in progress go on at the pace that the settings have now."""
    for item in world.items.values():
        if item.execution is not None and item.execution.ask is None:
            _later(world, item, item.execution)


def _plan_auto_sync(world: World, item: Item) -> None:
    """Set when the next auto-sync is due: never in development mode, nor where a person is needed each time."""
    possible = item.connector.login in (Login.PASSWORD, Login.OPEN_FINANCE)
    wait = _wait_for_auto_sync(world, item)
    if world.settings.mode != "production" or item.auto_sync.disabled_at or not possible or wait is None:
        item.auto_sync.next_at = None
        return
    item.auto_sync.next_at = max(item.updated_at + wait, world.clock.now)
    _set_auto_sync(world, item)


def _wait_for_auto_sync(world: World, item: Item) -> timedelta | None:
    """Return how long after the end of the last execution the next one starts by itself; None: it does not."""
    if item.status == "UPDATED":
        return timedelta(hours=world.settings.auto_sync_hours)
    sparable = item.status != "LOGIN_ERROR" and item.history.errors_in_row <= _SPAREABLE_ERRORS
    return timedelta(hours=1) if sparable and item.auto_sync.resumes_at is None else None


def _later(world: World, item: Item, execution: Execution) -> None:
    pause = world.settings.run_seconds / (len(item.options.products) + 5)
    execution.turn += 1
    turn = execution.turn
    world.timers.after(pause, lambda: _go_on(world, item, execution, turn))


def _go_on(world: World, item: Item, execution: Execution, turn: int) -> None:
    with world.lock:
        if item.execution is not execution or execution.turn != turn:
            return  # deleted, overtaken, or set anew, meanwhile
        try:
            ask = stories.take_step(world, item, execution)
        except ExecutionFailedError as exc:
            _fail(world, item, execution, exc)
        else:
            if ask is not None:
                _wait(world, item, execution, ask)
            elif execution.steps:
                _later(world, item, execution)
            else:
                _succeed(world, item, execution)
        world.changed.notify_all()


def _wait(world: World, item: Item, execution: Execution, ask: Ask) -> None:
    execution.ask, item.parameter, item.user_action = ask, ask.parameter, ask.user_action
    enter(item, ask.state, ask.state, world.clock.now)
    event = "item/waiting_user_input" if ask.parameter else "item/waiting_user_action"
    events.item_event(world, item, event, execution.triggered_by)
    _set_deadline(world, item, execution, ask)


def _set_deadline(world: World, item: Item, execution: Execution, ask: Ask) -> None:
    ring_at = world.at_real if ask.in_real_time else world.clock.at
    ring_at(ask.expires_at, lambda: _expire(world, item, execution, ask))


def _expire(world: World, item: Item, execution: Execution, ask: Ask) -> None:
    if item.execution is execution and execution.ask is ask:
        _fail(world, item, execution, ExecutionFailedError(ask.when_late, parameter=ask.name or None))
        world.changed.notify_all()


def _succeed(world: World, item: Item, execution: Execution) -> None:
    first = item.last_updated_at is None
    partial = any(part and not part["isUpdated"] for part in (item.status_detail or {}).values())
    enter(item, "UPDATED", "PARTIAL_SUCCESS" if partial else "SUCCESS", world.clock.now)
    item.execution, item.last_updated_at, item.history.ended_at = None, item.updated_at, item.updated_at
    item.history.failed_logins = item.history.errors_in_row = 0
    _plan_auto_sync(world, item)
    _plan_cleanup(world, item)
    events.item_event(world, item, "item/created" if first else "item/updated", execution.triggered_by)


def _fail(world: World, item: Item, execution: Execution, failure: ExecutionFailedError) -> None:
    enter(item, failure.status, failure.code, world.clock.now)
    item.execution, item.history.ended_at = None, item.updated_at
    item.parameter = item.user_action = None
    item.history.failed_logins += failure.status == "LOGIN_ERROR"
    item.history.errors_in_row += 1
    item.error = {"code": failure.code, "message": failure.message}
    if failure.provider_message:
        item.error["providerMessage"] = failure.provider_message
    if failure.waits_seconds is not None:
        item.auto_sync.resumes_at = world.clock.now + timedelta(seconds=failure.waits_seconds)
        _set_resumption(world, item)
    _plan_auto_sync(world, item)
    _plan_cleanup(world, item)
    told: Json = {"code": failure.code, "message": failure.message}
    if failure.parameter:
        told["parameter"] = failure.parameter
    events.item_event(world, item, "item/error", execution.triggered_by, error=told)


def _set_auto_sync(world: World, item: Item) -> None:
    due = item.auto_sync.next_at
    if due is not None:
        world.clock.at(due, lambda: _auto_sync(world, item, due))


def _set_resumption(world: World, item: Item) -> None:
    """Let Pluggy try again by itself, as it does some minutes after an approval (Pluggy facts 3.3)."""
    due = item.auto_sync.resumes_at

    def resume() -> None:
        if world.items.get(item.id) is item and item.auto_sync.resumes_at == due and item.execution is None:
            start(world, item, "INTERNAL")

    if due is not None:
        world.clock.at(due, resume)


def _auto_sync(world: World, item: Item, due: datetime) -> None:
    still_due = item.auto_sync.next_at == due and world.items.get(item.id) is item
    if still_due and item.execution is None and world.health_of(item.connector).status != "OFFLINE":
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
