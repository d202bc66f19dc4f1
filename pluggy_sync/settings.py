"""
The settings, read once from the environment and then passed on as one frozen value.

`read_settings` reports every fault together. Each setting is explained in `docs/settings.md`.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import marshmallow as ma
from marshmallow import validate

from pluggy_sync.encryption import sealer
from pluggy_sync.redis_options import redis_options

ONE_MIB = 1024 * 1024


class SettingsError(Exception):
    """Some settings are missing or wrong; the text names every one of them."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the operator chose. Secrets are left out of the repr, so a traceback or a log cannot show them."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    pluggy_api_url: str
    pluggy_client_id: str
    pluggy_client_secret: str = field(repr=False)
    pluggy_timeout_s: float
    pluggy_requests_per_minute: int
    pluggy_connect_url: str
    pluggy_public_key: str | None
    webhook_secrets: tuple[str, ...] = field(repr=False)
    webhook_secret_header: str
    webhook_max_bytes: int
    api_tokens: tuple[str, ...] = field(repr=False)
    product_webhook_url: str | None
    product_webhook_secrets: tuple[str, ...] = field(repr=False)
    public_url: str
    secret_key: str = field(repr=False)
    sync_overlap_days: int
    sync_lease_s: int
    sweep_interval_s: int
    # Hours after an action was opened at which its reminders are due.
    remind_after_hours: tuple[int, ...]
    # First and last hour of the night in São Paulo, in which nobody is reminded; None: no such hours.
    quiet_hours: tuple[int, int] | None
    stale_after_hours: int
    reconcile_every_days: int
    reconcile_per_round: int
    log_level: str


class _Secrets(ma.fields.Field[tuple[str, ...]]):
    """A comma-separated list; all its values are valid at once, which is how a secret is rotated."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        secrets = tuple(part.strip() for part in str(value).split(",") if part.strip())
        if not secrets:
            raise ma.ValidationError("Must hold at least one value.")
        return secrets


class _Hours(ma.fields.Field[tuple[int, ...]]):
    """Rising whole numbers, comma separated; `never` for none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[int, ...]:
        if str(value).strip() == "never":
            return ()
        try:
            hours = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            hours = (0,)
        if hours[0] < 1 or list(hours) != sorted(set(hours)):
            raise ma.ValidationError("Must be rising hours, such as 24,72,168, or never.")
        return hours


class _QuietHours(ma.fields.Field[tuple[int, int] | None]):
    """`22-8`: from 22:00 to 08:00; `none` for no quiet hours."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[int, int] | None:
        if str(value).strip() == "none":
            return None
        first, _, last = str(value).partition("-")
        if not (first.strip().isdecimal() and last.strip().isdecimal() and max(int(first), int(last)) < 24):
            raise ma.ValidationError("Must be two hours, such as 22-8, or none.")
        return int(first), int(last)


def _long_enough(secrets: tuple[str, ...]) -> None:
    if any(len(secret) < 16 for secret in secrets):
        raise ma.ValidationError("Each value must have at least 16 characters.")


def _standard_webhooks_secrets(secrets: tuple[str, ...]) -> None:
    for secret in secrets:
        try:
            base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as exc:
            raise ma.ValidationError("Must be base64, with or without the prefix whsec_.") from exc


def _unescaped(pem: str) -> str:
    """Return *pem* with its lines: in an environment variable they are often joined by an escaped newline."""
    return pem.replace("\\n", "\n")


def _rsa_public_key(pem: str) -> None:
    try:
        sealer(_unescaped(pem))
    except ValueError as exc:
        raise ma.ValidationError("Must be an RSA public key in PEM.") from exc


_HTTP_URL = validate.URL(schemes={"http", "https"}, require_tld=False)
_POSTGRES_URL = validate.Regexp(r"^postgres(ql)?(\+psycopg)?://", error="Must start with postgresql://.")


def _usable_redis_url(url: str) -> None:
    try:
        redis_options(url)
    except ValueError as exc:
        raise ma.ValidationError(str(exc)) from None


class _SettingsSchema(ma.Schema):
    """Environment variables to settings. Variables that are not ours are passed over."""

    class Meta:
        unknown = ma.EXCLUDE

    database_url = ma.fields.Str(required=True, data_key="DATABASE_URL", validate=_POSTGRES_URL)
    redis_url = ma.fields.Str(required=True, data_key="REDIS_URL", validate=_usable_redis_url)
    pluggy_api_url = ma.fields.Str(load_default="https://api.pluggy.ai", data_key="PLUGGY_API_URL", validate=_HTTP_URL)
    pluggy_client_id = ma.fields.Str(required=True, data_key="PLUGGY_CLIENT_ID", validate=validate.Length(min=1))
    # The form of a client secret is not fixed, so it is not checked (Pluggy facts 1.2).
    pluggy_client_secret = ma.fields.Str(
        required=True, data_key="PLUGGY_CLIENT_SECRET", validate=validate.Length(min=1)
    )
    pluggy_timeout_s = ma.fields.Float(
        load_default=30.0, data_key="PLUGGY_TIMEOUT_S", validate=validate.Range(min=0.1, max=120)
    )
    # A little less than Pluggy's 360, which it counts by its own clock (Pluggy facts 6).
    pluggy_requests_per_minute = ma.fields.Int(
        load_default=350, data_key="PLUGGY_REQUESTS_PER_MINUTE", validate=validate.Range(min=1)
    )
    pluggy_public_key = ma.fields.Str(
        load_default=None,
        data_key="PLUGGY_PUBLIC_KEY",
        validate=_rsa_public_key,
    )
    pluggy_connect_url = ma.fields.Str(
        load_default="https://cdn.pluggy.ai/pluggy-connect/v2.9.2/pluggy-connect.js",
        data_key="PLUGGY_CONNECT_URL",
        validate=_HTTP_URL,
    )
    webhook_secrets = _Secrets(required=True, data_key="WEBHOOK_SECRETS", validate=_long_enough)
    webhook_secret_header = ma.fields.Str(
        load_default="X-Webhook-Secret",
        data_key="WEBHOOK_SECRET_HEADER",
        validate=validate.Regexp(r"[A-Za-z0-9-]+\Z", error="Must be the name of an HTTP header."),
    )
    webhook_max_bytes = ma.fields.Int(
        load_default=4 * ONE_MIB, data_key="WEBHOOK_MAX_BYTES", validate=validate.Range(min=1024)
    )
    api_tokens = _Secrets(required=True, data_key="API_TOKENS", validate=_long_enough)
    product_webhook_url = ma.fields.Str(load_default=None, data_key="PRODUCT_WEBHOOK_URL", validate=_HTTP_URL)
    product_webhook_secrets = _Secrets(
        load_default=(), data_key="PRODUCT_WEBHOOK_SECRET", validate=_standard_webhooks_secrets
    )
    public_url = ma.fields.Str(required=True, data_key="PUBLIC_URL", validate=_HTTP_URL)
    secret_key = ma.fields.Str(required=True, data_key="SECRET_KEY", validate=validate.Length(min=32))
    sync_overlap_days = ma.fields.Int(
        load_default=3, data_key="SYNC_OVERLAP_DAYS", validate=validate.Range(min=0, max=365)
    )
    # A heartbeat renews it three times as often: below 2 s a slow moment of Postgres would cost a run its Item.
    # After a kill the Item waits for the lease and one sweep, so more than 5 minutes is no use.
    sync_lease_s = ma.fields.Int(load_default=30, data_key="SYNC_LEASE_S", validate=validate.Range(min=2, max=300))
    sweep_interval_s = ma.fields.Int(
        load_default=10, data_key="SWEEP_INTERVAL_S", validate=validate.Range(min=1, max=3600)
    )
    remind_after_hours = _Hours(load_default=(24, 72, 168), data_key="REMIND_AFTER_HOURS")
    quiet_hours = _QuietHours(load_default=(22, 8), data_key="QUIET_HOURS")
    stale_after_hours = ma.fields.Int(
        load_default=12, data_key="STALE_AFTER_HOURS", validate=validate.Range(min=1, max=24 * 30)
    )
    reconcile_every_days = ma.fields.Int(
        load_default=7, data_key="RECONCILE_EVERY_DAYS", validate=validate.Range(min=1, max=365)
    )
    reconcile_per_round = ma.fields.Int(
        load_default=50, data_key="RECONCILE_PER_ROUND", validate=validate.Range(min=0, max=5000)
    )
    log_level = ma.fields.Str(
        load_default="INFO",
        data_key="LOG_LEVEL",
        validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]),
    )

    @ma.validates_schema
    def _a_product_that_is_told_must_be_able_to_verify(self, data: Mapping[str, Any], **_: Any) -> None:
        if data.get("product_webhook_url") and not data.get("product_webhook_secrets"):
            raise ma.ValidationError("Missing, though PRODUCT_WEBHOOK_URL is set.", field_name="PRODUCT_WEBHOOK_SECRET")

    @ma.post_load
    def _build(self, data: dict[str, Any], **_: Any) -> Settings:
        data["pluggy_api_url"] = data["pluggy_api_url"].rstrip("/")
        data["public_url"] = data["public_url"].rstrip("/")
        if data["pluggy_public_key"] is not None:
            data["pluggy_public_key"] = _unescaped(data["pluggy_public_key"])
        return Settings(**data)


def setting_names() -> list[str]:
    """Return the names of all the environment variables that are read, sorted."""
    return sorted(str(each.data_key) for each in _SettingsSchema().fields.values())


def read_settings(environ: Mapping[str, str]) -> Settings:
    """
    Return the settings in *environ*. A variable that is set to nothing counts as not set.

    Raises:
        SettingsError: names every missing or bad variable at once.
    """
    given = {name: value for name, value in environ.items() if value.strip()}
    try:
        settings: Settings = _SettingsSchema().load(given)
    except ma.ValidationError as exc:
        faults = [f"  {name}: {' '.join(messages)}" for name, messages in sorted(exc.messages_dict.items())]
        raise SettingsError("These settings are missing or wrong:\n" + "\n".join(faults)) from None
    return settings
