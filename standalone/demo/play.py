"""The chapters in their order."""

from contextlib import ExitStack, closing

import httpx
from rich.console import Console

from pluggy_sync.settings import DEFAULT_SCHEMA
from pluggy_sync.store.database import create_engine
from standalone.demo import asking, at_the_bank, deliveries, first_sync, incremental, overall
from standalone.demo.checks import Checks
from standalone.demo.stage import Stage
from standalone.polling import WaitedInVainError
from standalone.product import Api, ApiRefusedError, Inbox
from standalone.sandbox import SandboxRefusedError
from standalone.service import Service
from standalone.supervisor import ProcessEndedError

# The bank's story, and so the figures, are the same on whatever day the demo is run.
OPENING_DAY = "2026-11-24"


def play(service: Service, console: Console) -> Checks:
    """Play all chapters on a service that was just started with no data; return the checks."""
    checks = Checks(console)
    with ExitStack() as stack:
        stage = _stage(service, checks, stack)
        try:
            stage.sandbox.control("PUT", "/settings", {"openingDay": OPENING_DAY})
            _play_chapters(stage)
        except (ApiRefusedError, SandboxRefusedError, ProcessEndedError, WaitedInVainError, httpx.HTTPError) as exc:
            checks.failed("the story goes on", f"{type(exc).__name__}: {exc}")
    return checks


def _stage(service: Service, checks: Checks, stack: ExitStack) -> Stage:
    if service.sandbox is None:
        raise ValueError("the demo needs the sandbox")
    plan = service.plan
    engine = create_engine(plan.env["DATABASE_URL"], schema=plan.env.get("DATABASE_SCHEMA", DEFAULT_SCHEMA))
    stack.callback(engine.dispose)
    return Stage(
        plan=plan,
        supervisor=service.supervisor,
        sandbox=service.sandbox,
        api=stack.enter_context(closing(Api(plan.addresses["web"], plan.api_token))),
        notifications=stack.enter_context(closing(Inbox(plan.addresses["wallet"]))),
        database=engine,
        web=stack.enter_context(httpx.Client(base_url=plan.addresses["web"], timeout=10)),
        checks=checks,
    )


def _play_chapters(stage: Stage) -> None:
    begin = stage.checks.begin
    begin("1. A bank is connected")
    first = first_sync.play(stage)
    begin("2. Days pass, and the bank changes things")
    incremental.play(stage, first)
    begin("3. The bank asks for a code")
    second = asking.play_code(stage)
    begin("4. The password is wrong")
    third = asking.play_credentials(stage)
    begin("5. Trouble at the bank")
    at_the_bank.play(stage)
    begin("6. Forged, repeated and unknown deliveries")
    deliveries.play(stage, first)
    begin("All in all")
    overall.play(stage, [first, second, third])
