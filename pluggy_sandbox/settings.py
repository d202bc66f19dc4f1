"""How this sandbox behaves, all of it switchable while it runs (`PUT /_sandbox/settings`)."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

# More than these is a mistake, and would hold the sandbox or leave the calendar.
Seconds = Annotated[float, Meta(ge=0, le=100_000_000)]
WholeSeconds = Annotated[int, Meta(ge=0, le=100_000_000)]
KeySeconds = Annotated[int, Meta(ge=-100_000_000, le=100_000_000)]  # negative: expired at birth
Hours = Annotated[float, Meta(ge=0, le=10_000)]
Days = Annotated[int, Meta(ge=0, le=10_000)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Day = Annotated[str, Meta(pattern=r"^(20\d\d-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8]))?$")]  # to the 28th; or empty
Mode = Literal["development", "production"]
Status = Annotated[int, Meta(ge=100, le=599)]


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

    mode: Mode = "development"  # or "production": only there does auto-sync exist (Pluggy facts 7.5)
    auto_sync_hours: Annotated[float, Meta(ge=0.25, le=10_000)] = 24
    overlap_days: Days = 3  # 3, 5 or 7 (Pluggy facts 4.1)
    first_run_days: Days = 365
    history_days: Days = 365  # of the year behind a new customer, so many have rows
    opening_day: Day = ""  # what a bank calls the day on which a customer opens: its statements are the same on any
    run_seconds: Seconds = 0.25  # how long one good execution takes, from its next step on if one is in progress
    min_update_frequency_hours: Hours = 1  # virtual; the default of new client ids (Pluggy facts 13.6); 0: no 409
    error_cooldown_seconds: WholeSeconds = 0  # virtual; until then 409 ITEM_IN_ERROR_COOLDOWN (Pluggy facts 13.14)
    item_limit: Count = 100  # of a development application (Pluggy facts 7.5)
    api_key_seconds: KeySeconds = 7200
    connect_token_seconds: KeySeconds = 1800
    consent_days: Days = 0  # virtual; 0: a consent without end (Pluggy facts 8)
    list_items_enabled: bool = False  # `GET /v2/items`, which is opt-in and paid (Pluggy facts 13.1)
    scr_enabled: bool = True  # `GET /items/{id}/scr` (Pluggy facts 13.13)
    open_finance_quotas: bool = True  # the monthly counters of Pluggy facts 5.9
    cleanup_days: Days = 30  # virtual; untouched sandbox Items are deleted after so long (Pluggy facts 7.5); 0 never
    refuse_creation_with: str = ""  # a codeDescription, e.g. CREATE_ITEMS_API_FREE_DISABLED
    refuse_updates_with: str = ""  # e.g. CLIENT_HAS_ITEM_UPDATES_DISABLED
    mfa_seconds: WholeSeconds = 120  # until USER_INPUT_TIMEOUT
    real_deadlines: bool = False  # True: `mfa_seconds` are real, whatever the clock does; False: they are virtual
    authorization_pending_seconds: WholeSeconds = 120  # virtual (Pluggy facts 7.3)
    webhook_created_status: Literal[200, 201] = 200  # (Pluggy facts 2.2)
    item_deleted_status: Literal[200, 204] = 200  # (Pluggy facts 3.8)
    deleted_item_accounts: Literal["empty", "404"] = "empty"  # (Pluggy facts 3.8)
    already_updating_code: str = "ITEM_ALREADY_UPDATING"  # "": without a codeDescription (Pluggy facts 13.14)
    allow_local_webhooks: bool = True  # http, loopback and private hosts, for use on one machine
    limits: bool = True  # the counters of Pluggy facts 6
    limit_window_seconds: Seconds = 60
    enrichment: bool = True  # False: every category is null (Pluggy facts 9.11)
    delivery_timeout_seconds: Seconds = 5
    delivery_delays_seconds: tuple[Seconds, Seconds] = (0.9, 7.2)  # 15 min and 2 h, a thousand times quicker
    delivery_attempts_per_batch: Annotated[int, Meta(ge=1, le=100)] = 3
    delivery_final_statuses: tuple[Status, ...] = (401,)
    signing_secret: str = field(default="", repr=False)  # "": deliveries are not signed (Pluggy facts 13.15)
    signing_secret_is_base64: bool = False  # whether it is decoded before it signs
    disable_webhook_after: Count = 0  # failed deliveries in a row; 0 never
    payloads: PayloadVariants = field(default_factory=PayloadVariants)
