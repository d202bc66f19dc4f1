"""Valid values, each with what a test wants changed."""

import itertools
import uuid
from datetime import UTC, datetime
from typing import Any

from pluggy_sync import wire
from pluggy_sync.pluggy import payloads
from pluggy_sync.settings import Settings, read_settings

NOON = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)

WEBHOOK_SECRET = "a-webhook-secret-of-the-tests"
API_TOKEN = "an-api-token-of-the-tests"
PRODUCT_SECRET = "whsec_c2VjcmV0IG9mIHRoZSBwcm9kdWN0IGluIHRlc3Rz"

_numbers = itertools.count(1)


def an_environ(**changes: str | None) -> dict[str, str]:
    """Return environment variables that are all right, with *changes*; None takes one away."""
    environ: dict[str, str | None] = {
        "DATABASE_URL": "postgresql://localhost/never_used",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "PLUGGY_API_URL": "http://127.0.0.1:1",
        "PLUGGY_CLIENT_ID": "client-id-of-the-tests",
        "PLUGGY_CLIENT_SECRET": "client-secret-of-the-tests",
        "WEBHOOK_SECRETS": WEBHOOK_SECRET,
        "API_TOKENS": API_TOKEN,
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "SECRET_KEY": "a-secret-key-of-the-tests-that-is-long-enough",
        **changes,
    }
    return {name: value for name, value in environ.items() if value is not None}


def a_settings(**changes: str | None) -> Settings:
    """Return valid settings, with *changes* to the environment variables."""
    return read_settings(an_environ(**changes))


def an_id() -> str:
    """Return a new id of the kind that Pluggy gives."""
    return str(uuid.uuid4())


def a_raw_connector(**changes: Any) -> dict[str, Any]:
    """Return a connector as Pluggy sends it."""
    return {
        "id": 2,
        "name": "Pluggy Bank",
        "imageUrl": "https://example.com/bank.svg",
        "health": {"status": "ONLINE", "stage": None},
        "credentials": [{"name": "user"}, {"name": "password"}],
        "hasMFA": False,
        **changes,
    }


def a_raw_item(**changes: Any) -> dict[str, Any]:
    """Return an Item as Pluggy sends it, well collected at noon."""
    return {
        "id": "11111111-1111-4111-8111-111111111111",
        "connector": a_raw_connector(),
        "status": "UPDATED",
        "executionStatus": "SUCCESS",
        "statusDetail": None,
        "error": None,
        "parameter": None,
        "userAction": None,
        "createdAt": "2026-01-01T12:00:00.000Z",
        "updatedAt": wire.to_text(NOON),
        "lastUpdatedAt": wire.to_text(NOON),
        "nextAutoSyncAt": None,
        "consentExpiresAt": None,
        "clientUserId": "user-42",
        **changes,
    }


def an_item(**changes: Any) -> payloads.Item:
    """Return a parsed Item; *changes* are to what Pluggy sends."""
    return payloads.item(a_raw_item(**changes))


def a_raw_account(**changes: Any) -> dict[str, Any]:
    """Return an account as Pluggy sends it."""
    return {
        "id": "22222222-2222-4222-8222-222222222222",
        "itemId": "11111111-1111-4111-8111-111111111111",
        "type": "BANK",
        "subtype": "CHECKING_ACCOUNT",
        "number": "0001/12345-0",
        "name": "Conta Corrente",
        "balance": 100,
        "currencyCode": "BRL",
        **changes,
    }


def a_raw_transaction(**changes: Any) -> dict[str, Any]:
    """Return a transaction as Pluggy sends it, each with an id of its own."""
    return {
        "id": f"00000000-0000-4000-8000-{next(_numbers):012d}",
        "accountId": "22222222-2222-4222-8222-222222222222",
        "description": "Padaria",
        "descriptionRaw": None,
        "currencyCode": "BRL",
        "amount": -12,
        "amountInAccountCurrency": None,
        "date": "2026-03-09T03:00:00.000Z",
        "type": "DEBIT",
        "status": "POSTED",
        "category": None,
        "categoryId": None,
        "createdAt": "2026-03-09T10:00:00.000Z",
        "updatedAt": "2026-03-09T10:00:00.000Z",
        **changes,
    }


def a_transaction(**changes: Any) -> payloads.Transaction:
    """Return a parsed transaction; *changes* are to what Pluggy sends."""
    return payloads.transaction(a_raw_transaction(**changes))


def an_event(name: str = "item/updated", **changes: Any) -> dict[str, Any]:
    """Return the payload of an event, with an event id of its own."""
    return {"event": name, "eventId": an_id(), "itemId": "11111111-1111-4111-8111-111111111111", **changes}
