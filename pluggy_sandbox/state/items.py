"""Items: one person's connection to one connector, and how the API shows it (Pluggy facts 3)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pluggy_sandbox.catalogue.connectors import Connector
from pluggy_sandbox.holdings.holdings import Holdings
from pluggy_sandbox.state.executions import Execution
from pluggy_sandbox.wire.encoding import Json
from pluggy_sandbox.wire.instants import iso_or_none

RUNNING = ("UPDATING", "MERGING")
WAITING = ("WAITING_USER_INPUT", "WAITING_USER_ACTION")
AVAILABLE, PENDING = "AVAILABLE", "PENDING_AUTHORISATION"  # of a resource, in Open Finance's spelling
_TICK = timedelta(milliseconds=1)


@dataclass
class Credentials:
    """What the person gave to log in. It is never shown nor logged."""

    parameters: dict[str, str] = field(repr=False)
    used_tokens: dict[str, datetime] = field(default_factory=dict, repr=False)
    connected_as: str | None = None  # the user of the first good execution
    choice: str = ""  # which company or account the person chose


@dataclass
class Options:
    """What the application chose for this Item."""

    products: list[str]
    webhook_url: str | None = None
    client_user_id: str | None = None
    oauth_redirect_uri: str | None = None


@dataclass
class AutoSync:
    """When executions start by themselves, None if never."""

    next_at: datetime | None = None
    disabled_at: datetime | None = None
    resumes_at: datetime | None = None  # when Pluggy looks again whether an approval that was missing has come


@dataclass
class Authorization:
    """What the person allowed at the bank (Pluggy facts 8)."""

    consents: list[Json] = field(default_factory=list)  # newest first
    expires_at: datetime | None = None  # of the newest consent
    is_revoked: bool = False  # the person withdrew the consent: data is hidden, not deleted
    approved_at: datetime | None = None  # when the person approved at the bank
    pending_since: datetime | None = None  # when an execution first found that an approval is missing


@dataclass
class Resources:
    """What the bank says that the consent covers, as an execution last read it (Pluggy facts 13.2)."""

    declared: list[Json] = field(default_factory=list)
    collected_at: datetime | None = None  # None: never read, always so outside Open Finance
    at_bank: dict[str, str] = field(default_factory=dict)  # the status at the bank by type; AVAILABLE where absent

    @property
    def wait_for_approval(self) -> bool | None:
        """Whether the person must still approve some of it, None where it was never read."""
        return None if self.collected_at is None else any(r["status"] == PENDING for r in self.declared)


@dataclass
class History:
    """What the executions so far came to."""

    executions: int = 0
    outcome_before: str = ""  # the executionStatus that the execution before the present one ended with
    ended_at: datetime | None = None
    failed_logins: int = 0
    errors_in_row: int = 0
    collected_at: dict[str, datetime] = field(default_factory=dict)  # by product
    quota_asked: dict[str, datetime] = field(default_factory=dict)


@dataclass
class Staged:
    """What was arranged through the control surface and has not happened yet."""

    outcome: str | None = None  # the executionStatus that the next execution will end with
    not_found_left: int = 0  # so many times more is this Item answered with 404


@dataclass
class Item:
    """One Item: what it shows at present, and what belongs to it."""

    id: str
    client_id: str
    connector: Connector
    credentials: Credentials
    options: Options
    holdings: Holdings
    created_at: datetime
    updated_at: datetime
    number: int = 0  # in the order of creation
    token_id: str | None = None  # of the connect token that it was born from
    status: str = "UPDATING"
    execution_status: str = "CREATED"
    status_detail: Json | None = None
    error: Json | None = None
    parameter: Json | None = None
    user_action: Json | None = None
    last_updated_at: datetime | None = None
    auto_sync: AutoSync = field(default_factory=AutoSync)
    authorization: Authorization = field(default_factory=Authorization)
    resources: Resources = field(default_factory=Resources)
    history: History = field(default_factory=History)
    staged: Staged = field(default_factory=Staged)
    events: int = 0  # how many were told
    looks: int = 0  # how often it was shown; a QR code is another one each time
    execution: Execution | None = None

    def stamp(self, now: datetime) -> datetime:
        """Return *now*, or a millisecond past this item's last change: its history never stands still."""
        self.updated_at = max(now, self.updated_at + _TICK)
        return self.updated_at

    @property
    def is_running(self) -> bool:
        """Whether an execution is in progress, waiting for nobody."""
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
        "products": item.options.products,
        "createdAt": iso_or_none(item.created_at),
        "updatedAt": iso_or_none(item.updated_at),
        "status": item.status,
        "executionStatus": item.execution_status,
        "lastUpdatedAt": iso_or_none(item.last_updated_at),
        "webhookUrl": item.options.webhook_url,
        "error": item.error,
        "clientUserId": item.options.client_user_id,
        "consecutiveFailedLoginAttempts": item.history.failed_logins,
        "statusDetail": item.status_detail,
        "parameter": item.parameter,
        "userAction": item.user_action,
        "nextAutoSyncAt": iso_or_none(item.auto_sync.next_at),
        "autoSyncDisabledAt": iso_or_none(item.auto_sync.disabled_at),
        "consentExpiresAt": iso_or_none(item.authorization.expires_at),
        "resourcesCollectedAt": iso_or_none(item.resources.collected_at),
        "hasResourcesPendingAuthorization": item.resources.wait_for_approval,
        "oauthRedirectUri": item.options.oauth_redirect_uri,
    }
