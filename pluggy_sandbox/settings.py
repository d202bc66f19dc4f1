"""How this sandbox behaves, all of it switchable while it runs (`PUT /_sandbox/settings`)."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from pluggy_sandbox.wire.encoding import Json


@dataclass(frozen=True)
class PayloadVariants:
    """Which of the keys that Pluggy sometimes sends go into payloads (Pluggy facts 2.4)."""

    id: bool = False
    client_id: bool = True
    client_user_id: bool = True
    links_v2: bool = True
    unknown_keys: bool = False
    triggered_by_everywhere: bool = False


@dataclass(frozen=True)
class Settings:
    """One set of switches. Seconds are real unless the name says otherwise."""

    mode: str = "development"  # or "production": only there does auto-sync exist (Pluggy facts 7.5)
    auto_sync_hours: float = 24
    overlap_days: int = 3  # 3, 5 or 7 (Pluggy facts 4.1)
    first_run_days: int = 365
    run_seconds: float = 0.25  # how long one good execution takes
    min_update_frequency_hours: float = 0  # the 409 of Pluggy facts 3.8; 0 switches it off
    item_limit: int = 100  # of a development application (Pluggy facts 7.5)
    api_key_seconds: int = 7200
    connect_token_seconds: int = 1800
    consent_days: int = 0  # virtual; 0: a consent without end (Pluggy facts 8)
    open_finance_quotas: bool = True  # the monthly counters of Pluggy facts 5.9
    cleanup_days: int = 30  # virtual; untouched sandbox Items are deleted after so long (Pluggy facts 7.5); 0 never
    refuse_creation_with: str = ""  # a codeDescription, e.g. CREATE_ITEMS_API_FREE_DISABLED
    refuse_updates_with: str = ""  # e.g. CLIENT_HAS_ITEM_UPDATES_DISABLED
    mfa_seconds: int = 120  # until USER_INPUT_TIMEOUT
    real_deadlines: bool = False  # True: `mfa_seconds` are real, whatever the clock does; False: they are virtual
    authorization_pending_seconds: int = 120  # virtual (Pluggy facts 7.3)
    webhook_created_status: int = 200  # or 201 (Pluggy facts 2.2)
    item_deleted_status: int = 200  # or 204 (Pluggy facts 3.8)
    deleted_item_accounts: str = "empty"  # or "404" (Pluggy facts 3.8)
    already_updating_code: str = "ITEM_ALREADY_UPDATING"
    allow_local_webhooks: bool = True  # http, loopback and private hosts, for use on one machine
    limits: bool = True  # the counters of Pluggy facts 6
    limit_window_seconds: float = 60
    enrichment: bool = True  # False: every category is null (Pluggy facts 9.11)
    delivery_timeout_seconds: float = 5
    delivery_delays_seconds: tuple[float, float] = (0.9, 7.2)  # 15 min and 2 h, a thousand times quicker
    delivery_attempts_per_batch: int = 3
    delivery_final_statuses: tuple[int, ...] = (401,)
    disable_webhook_after: int = 0  # failed deliveries in a row; 0 never
    payloads: PayloadVariants = field(default_factory=PayloadVariants)

    def as_json(self) -> Json:
        """Return the switches by their names on the wire."""
        return _as_json(self)

    def changed(self, values: Json) -> "Settings":
        """
        Return these settings with *values*, named as on the wire.

        Raises:
            ValueError: a name is unknown or a value is of the wrong kind.
        """
        return _changed(self, values)


_Record = TypeVar("_Record", "Settings", PayloadVariants)


def camel(name: str) -> str:
    """Return a Python name as it is written on the wire."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _as_json(record: Any) -> Json:
    return {camel(f.name): _plain(getattr(record, f.name)) for f in fields(record)}


def _plain(value: Any) -> Any:
    if isinstance(value, PayloadVariants):
        return _as_json(value)
    return list(value) if isinstance(value, tuple) else value


def _changed(record: _Record, values: Json) -> _Record:
    names = {camel(f.name): f.name for f in fields(record)}
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ValueError(f"unknown setting: {', '.join(unknown)}")
    return replace(record, **{names[k]: _like(getattr(record, names[k]), k, value) for k, value in values.items()})


def _like(old: Any, name: str, value: Any) -> Any:
    if isinstance(old, PayloadVariants) and isinstance(value, dict):
        return _changed(old, value)
    if isinstance(old, tuple) and isinstance(value, list):
        return tuple(value)
    if isinstance(old, bool) == isinstance(value, bool) and (
        isinstance(value, type(old)) or (isinstance(old, float | int) and isinstance(value, float | int))
    ):
        return value
    raise ValueError(f"{name} cannot be {value!r}")
