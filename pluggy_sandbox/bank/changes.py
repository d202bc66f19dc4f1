"""What can be made to happen at the bank on demand; Pluggy sees it in its next execution."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from pluggy_sandbox.bank.accounts import Account
from pluggy_sandbox.bank.rows import Row
from pluggy_sandbox.wire.encoding import cents
from pluggy_sandbox.wire.instants import day_in_brazil, midnight_in_brazil


@dataclass
class Changed:
    """Keys of the rows that a change made, altered and took away."""

    added: list[str] = field(default_factory=list)
    modified: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def join(self, other: "Changed") -> None:
        """Take in what *other* did."""
        self.added += other.added
        self.modified += other.modified
        self.removed += other.removed


@dataclass(frozen=True)
class Change:
    """One change to make `count` times; `days` is how long ago its row is dated, None for what suits the kind."""

    kind: str
    count: int = 1
    days: int | None = None


@dataclass(frozen=True)
class Scene:
    """When and among what a change happens: the rows already collected, and the day the next window begins."""

    now: datetime
    dice: random.Random
    collected: frozenset[str]
    since: date


class ImpossibleChangeError(Exception):
    """There is no row that this could happen to."""


def make(account: Account, change: Change, scene: Scene) -> Changed:
    """
    Make *change* happen in *account*.

    Raises:
        ImpossibleChangeError: no row fits.
    """
    kind = KINDS[change.kind]
    done = Changed()
    for _ in range(change.count):
        kind(account, change, scene, done)
    account.touched.update(done.added, done.modified, done.removed)
    account.revision += 1
    return done


def make_in_first(accounts: list[Account], change: Change, scene: Scene) -> Changed:
    """
    Make *change* happen in the first of *accounts* that has a row for it.

    Raises:
        ImpossibleChangeError: none has.
    """
    for account in accounts[:-1]:
        try:
            return make(account, change, scene)
        except ImpossibleChangeError:
            continue
    return make(accounts[-1], change, scene)


def _new_row(account: Account, scene: Scene, days_ago: int) -> Row:
    day = day_in_brazil(scene.now) - timedelta(days=days_ago)
    sign = 1 if account.type == "CREDIT" else -1
    number = scene.dice.getrandbits(48)
    return Row(
        key=f"made-{number:012x}",
        at=midnight_in_brazil(day),
        description=f"COMPRA {number % 100_000:05d} MERCADO MUNICIPAL",
        amount=cents(sign * scene.dice.randint(500, 50_000)),
        type="DEBIT",
        shown_at=scene.now,
        category="10000000",
        card={"cardNumber": account.number} if account.type == "CREDIT" else None,
    )


def _add(account: Account, change: Change, scene: Scene, done: Changed) -> None:
    row = _new_row(account, scene, change.days or 0)
    account.rows.append(row)
    done.added.append(row.key)


def _backdate(account: Account, change: Change, scene: Scene, done: Changed) -> None:
    _add(account, replace(change, days=20 if change.days is None else change.days), scene, done)


def _pending(account: Account, change: Change, scene: Scene, done: Changed) -> None:
    row = _new_row(account, scene, change.days or 0)
    account.rows.append(replace(row, status="PENDING", posts_on=None))
    done.added.append(row.key)


def _post_new_id(account: Account, change: Change, scene: Scene, done: Changed) -> None:
    row = _pick(account, change, scene, pending=True)
    row.posts_as, row.posts_at = f"{row.posts_as or row.description} POSTED", row.at - timedelta(days=1)
    done.removed.append(row.key)
    done.added.append(account.post(row, scene.now).key)


def _post_same_id(account: Account, change: Change, scene: Scene, done: Changed) -> None:
    row = _pick(account, change, scene, pending=True)
    row.posts_as = None
    account.post(row, scene.now)
    done.modified.append(row.key)


def _post_new_provider_id(account: Account, change: Change, scene: Scene, done: Changed) -> None:
    row = _pick(account, change, scene, pending=True)
    row.posts_as, row.posts_at = row.description, None
    done.modified.append(row.key)
    account.post(row, scene.now)


def _odd_text(account: Account, change: Change, scene: Scene, done: Changed) -> None:
    row = _new_row(account, scene, change.days or 0)
    account.rows.append(replace(row, odd=True))
    done.added.append(row.key)


def _odd_date(account: Account, change: Change, scene: Scene, done: Changed) -> None:
    row = _new_row(account, scene, change.days or 0)
    account.rows.append(replace(row, at=_NO_DATE))
    done.added.append(row.key)


def _edit(account: Account, change: Change, scene: Scene, done: Changed) -> None:
    row = _pick(account, change, scene, pending=False)
    row.revision += 1
    row.category = "17000000" if row.category != "17000000" else "11000000"
    row.description_raw = f"{row.description} (rev {row.revision})"
    row.changed_at = scene.now
    done.modified.append(row.key)


def _remove(account: Account, change: Change, scene: Scene, done: Changed) -> None:
    row = _pick(account, change, scene, pending=False)
    row.posts_on = None  # it must not post any more
    account.rows.remove(row)
    done.removed.append(row.key)


_NO_DATE = datetime(1, 1, 1, tzinfo=UTC)  # what some banks send for a date that they do not know (Pluggy facts 13.18)
_Kind = Callable[[Account, Change, Scene, Changed], None]
KINDS: dict[str, _Kind] = {
    "add": _add,
    "pending": _pending,
    "post_new_id": _post_new_id,
    "post_same_id": _post_same_id,
    "post_new_provider_id": _post_new_provider_id,
    "edit": _edit,
    "remove": _remove,
    "backdate": _backdate,
    "odd_text": _odd_text,
    "odd_date": _odd_date,
}


def _pick(account: Account, change: Change, scene: Scene, *, pending: bool) -> Row:
    """Return a collected row that has no twin and waits for no other change: in the next window, or `days` old."""
    twins = _twins(account)
    fit = [
        row
        for row in account.visible(scene.now)
        if row.key in scene.collected
        and row.key not in account.touched
        and (row.status == "PENDING") == pending
        and (row.at, row.description, row.amount) not in twins
    ]
    near = [row for row in fit if _wanted(row, change, scene)]
    if not near and not (pending and fit and change.days is None):
        raise ImpossibleChangeError(f"no row in {account.key} fits {change.kind}")
    # The open bill is read again as a whole, so a pending row may be older than the window.
    return scene.dice.choice(near or fit)


def _wanted(row: Row, change: Change, scene: Scene) -> bool:
    today, day = day_in_brazil(scene.now), day_in_brazil(row.at)
    if change.days is not None:
        return (today - day).days == change.days
    return scene.since <= day <= today


def _twins(account: Account) -> set[object]:
    seen: set[object] = set()
    twins: set[object] = set()
    for row in account.rows:
        mark = (row.at, row.description, row.amount)
        (twins if mark in seen else seen).add(mark)
    return twins
