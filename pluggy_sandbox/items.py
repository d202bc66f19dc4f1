"""Items: one person's connection to one connector, and how the API shows it (Pluggy facts 3)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pluggy_sandbox.connectors import Connector
from pluggy_sandbox.encoding import Json
from pluggy_sandbox.instants import iso_or_none
from pluggy_sandbox.mirror.mirror import Mirror

if TYPE_CHECKING:
    from pluggy_sandbox.runs import Run

RUNNING = ("UPDATING", "MERGING")
WAITING = ("WAITING_USER_INPUT", "WAITING_USER_ACTION")
_TICK = timedelta(milliseconds=1)


@dataclass
class Item:
    """One Item. What is private (credentials, MFA values) is never shown nor logged."""

    id: str
    client_id: str
    connector: Connector
    parameters: dict[str, str] = field(repr=False)
    mirror: Mirror
    created_at: datetime
    updated_at: datetime
    products: list[str]
    webhook_url: str | None = None
    client_user_id: str | None = None
    oauth_redirect_uri: str | None = None
    token_id: str | None = None  # of the connect token that it was born from
    status: str = "UPDATING"
    execution_status: str = "CREATED"
    status_detail: Json | None = None
    error: Json | None = None
    parameter: Json | None = None
    user_action: Json | None = None
    last_updated_at: datetime | None = None
    next_auto_sync_at: datetime | None = None
    auto_sync_disabled_at: datetime | None = None
    consent_expires_at: datetime | None = None
    failed_logins: int = 0
    errors_in_row: int = 0
    last_run_ended_at: datetime | None = None
    product_times: dict[str, datetime] = field(default_factory=dict)
    used_tokens: dict[str, datetime] = field(default_factory=dict, repr=False)
    approved_at: datetime | None = None  # when the person approved at the bank
    pending_since: datetime | None = None
    consents: list[Json] = field(default_factory=list)
    connected_as: str | None = None  # the user of the first good run
    doom: str | None = None  # the executionStatus that the next run will end with
    choice: str = ""  # which company or account the person chose
    before_run: str = ""  # the executionStatus that the last run ended with
    quota_asked: dict[str, datetime] = field(default_factory=dict)
    looks: int = 0  # how often it was shown while a code rotates
    events: int = 0
    runs: int = 0
    not_found_left: int = 0
    is_revoked: bool = False  # the person withdrew the consent: data is hidden, not deleted (Pluggy facts 8)
    run: "Run | None" = None

    def stamp(self, now: datetime) -> datetime:
        """Return *now*, or a millisecond past this item's last change: its history never stands still."""
        self.updated_at = max(now, self.updated_at + _TICK)
        return self.updated_at

    @property
    def is_running(self) -> bool:
        """Whether a run is in progress, waiting for nobody."""
        return self.status in RUNNING


def enter(item: Item, status: str, execution_status: str, now: datetime) -> None:
    """Put *item* into a state."""
    item.status, item.execution_status = status, execution_status
    item.stamp(now)


def view(item: Item, connector: Json) -> Json:
    """Return the Item as the API serves it: every top-level key, null where there is nothing."""
    return {
        "id": item.id,
        "connector": connector,
        "products": item.products,
        "createdAt": iso_or_none(item.created_at),
        "updatedAt": iso_or_none(item.updated_at),
        "status": item.status,
        "executionStatus": item.execution_status,
        "lastUpdatedAt": iso_or_none(item.last_updated_at),
        "webhookUrl": item.webhook_url,
        "error": item.error,
        "clientUserId": item.client_user_id,
        "consecutiveFailedLoginAttempts": item.failed_logins,
        "statusDetail": item.status_detail,
        "parameter": item.parameter,
        "userAction": item.user_action,
        "nextAutoSyncAt": iso_or_none(item.next_auto_sync_at),
        "autoSyncDisabledAt": iso_or_none(item.auto_sync_disabled_at),
        "consentExpiresAt": iso_or_none(item.consent_expires_at),
        "oauthRedirectUri": item.oauth_redirect_uri,
    }
