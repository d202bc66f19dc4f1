"""
The settings, read once from the environment and then passed on as one frozen value.

Each is named once: its field of `Settings` says how its variable is read. `read_settings` reports all faults together.
It refuses what cannot work, before the first delivery finds out. `docs/settings.md` explains each.
"""

import base64
import binascii
import dataclasses
import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import marshmallow as ma
import psycopg
from marshmallow import validate
from psycopg.conninfo import conninfo_to_dict

from pluggy_sync import return_urls
from pluggy_sync.redis_options import redis_options
from pluggy_sync.texts import catalogue

ONE_MIB = 1024 * 1024
_MOST_DAYS = 36_500

# The schema of our own tables.
DEFAULT_SCHEMA = "pluggy_sync"
# The schema of the views that a company reads.
MIRROR_SCHEMA = "mirror"
DEFAULT_STALE_AFTER_HOURS = 12

# Names of headers that mean something else, and that proxies change.
_HEADERS_IN_USE = frozenset(
    {"authorization", "connection", "content-encoding", "content-length", "content-type", "cookie", "expect", "host"}
    | {"te", "trailer", "transfer-encoding", "upgrade", "x-forwarded-for", "x-forwarded-proto", "x-request-id"}
)


class SettingsError(Exception):
    """Some settings are missing or wrong; the text names every one of them, and quotes no value."""


class _Secrets(ma.fields.Field[tuple[str, ...]]):
    """A comma-separated list. All its values are valid at once: this is how a secret is rotated."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        secrets = tuple(part.strip() for part in str(value).split(",") if part.strip())
        if not secrets:
            raise ma.ValidationError("Must hold at least one value.")
        return secrets


class _Addresses(ma.fields.Field[tuple[str, ...]]):
    """A comma-separated list of addresses."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        return tuple(part.strip() for part in str(value).split(",") if part.strip())


class _Logins(ma.fields.Field[tuple[tuple[str, str], ...]]):
    """Operators, comma separated: `name:hash`, the hash as `pluggy-sync console-login` prints it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[tuple[str, str], ...]:
        logins = []
        for each in (part.strip() for part in str(value).split(",") if part.strip()):
            name, _, hashed = each.partition(":")
            if not _LOGIN_NAME.fullmatch(name) or not _LOGIN_HASH.fullmatch(hashed):
                raise ma.ValidationError("Each must be as `pluggy-sync console-login NAME` prints it.")
            logins.append((name, hashed))
        if len(dict(logins)) != len(logins):
            raise ma.ValidationError("Must name each operator once.")
        return tuple(logins)


_LOGIN_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
# As Werkzeug writes it.
_LOGIN_HASH = re.compile(r"scrypt:\d+:\d+:\d+\$[A-Za-z0-9]{8,64}\$[0-9a-f]{128}")


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


class _Days(ma.fields.Field[int | None]):
    """A whole number of days from *least* on; `forever` for no end."""

    def __init__(self, default: int, *, least: int = 1) -> None:
        super().__init__(load_default=default)
        self._least = least

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int | None:
        text = str(value).strip()
        if text == "forever":
            return None
        if not (text.isdecimal() and self._least <= int(text) <= _MOST_DAYS):
            raise ma.ValidationError(f"Must be days, {self._least} to {_MOST_DAYS}, or forever.")
        return int(text)


class _QuietHours(ma.fields.Field[tuple[int, int] | None]):
    """`22-8`: from 22:00 to 08:00; `none` for no quiet hours."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[int, int] | None:
        if str(value).strip() == "none":
            return None
        first, _, last = str(value).partition("-")
        if not (first.strip().isdecimal() and last.strip().isdecimal() and max(int(first), int(last)) < 24):
            raise ma.ValidationError("Must be two hours, such as 22-8, or none.")
        return int(first), int(last)


class _Networks(ma.fields.Field[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]]):
    """Networks, comma separated: 10.0.0.0/8,fd00::/8."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        try:
            return tuple(ipaddress.ip_network(part.strip()) for part in str(value).split(",") if part.strip())
        except ValueError:
            raise ma.ValidationError("Must be networks, such as 10.1.0.0/16 or fd00::/8.") from None


class _Pem(ma.fields.Str):
    """PEM: in an environment variable its lines are often joined by an escaped line end."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return str(super()._deserialize(value, attr, data, **kwargs)).replace("\\n", "\n")


class _Address(ma.fields.Str):
    """An http or https address without a slash at its end."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return str(super()._deserialize(value, attr, data, **kwargs)).rstrip("/")


def _header_values(secrets: tuple[str, ...]) -> None:
    """Refuse what no HTTP header carries unchanged: we would answer each delivery 401, and Pluggy repeats none."""
    if any(len(secret) < 16 for secret in secrets):
        raise ma.ValidationError("Each value must have at least 16 characters.")
    if not all(secret.isascii() and " " not in secret for secret in secrets):
        raise ma.ValidationError("Each value must be ASCII without spaces.")


def _proxy_urls(proxies: tuple[str, ...]) -> None:
    for proxy in proxies:
        parts = _parts(proxy)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ma.ValidationError("Each value must be the http:// or https:// URL of a proxy.")


def _standard_webhooks_secrets(secrets: tuple[str, ...]) -> None:
    for secret in secrets:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError) as exc:
            raise ma.ValidationError("Must be base64, with or without the prefix whsec_.") from exc
        if len(key) < 16:
            raise ma.ValidationError("Each value must be base64 of at least 16 bytes.")


def _long_keys(keys: tuple[str, ...]) -> None:
    if any(len(key) < 32 for key in keys):
        raise ma.ValidationError("Each value must have at least 32 characters.")


def _rsa_public_key(pem: str) -> None:
    from pluggy_sync.encryption import sealer  # noqa: PLC0415 - few set it, and it takes long to load

    try:
        sealer(pem)
    except ValueError as exc:
        raise ma.ValidationError("Must be an RSA public key in PEM.") from exc


def _return_addresses(listed: tuple[str, ...]) -> None:
    for number, address in enumerate(listed, start=1):
        fault = return_urls.fault_in_listed(address)
        if fault is not None:
            raise ma.ValidationError(f"Address {number} {fault}.")


def _usable_texts(folder: str) -> None:
    try:
        catalogue.read(Path(folder))
    except catalogue.TextsError as exc:
        raise ma.ValidationError(exc.faults) from None


def _header_name(name: str) -> None:
    if name.lower() in _HEADERS_IN_USE:
        raise ma.ValidationError("Is a header that means something else.")


def _parts(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise ma.ValidationError("Not a valid URL.") from None
    return parts


def _without_query(address: str) -> None:
    parts = _parts(address)
    if parts.query or parts.fragment or parts.username is not None:
        raise ma.ValidationError("Must end with its host or path: no user, no ? and no #.")


def _encrypted(address: str) -> None:
    """Refuse plain http, but for a stand-in on the same machine."""
    parts = _parts(address)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ma.ValidationError("Must start with https://, unless it is this machine.")


def _without_path(address: str) -> None:
    """Refuse a path: the pages of persons find their files at the root of their host."""
    if _parts(address).path.strip("/"):
        raise ma.ValidationError("Must end with its host: the service has to be at the root of it.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _usable_database_url(url: str) -> None:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise ma.ValidationError("Must start with postgresql://.")
    try:
        ports = str(conninfo_to_dict(f"postgresql://{rest}").get("port", "")).split(",")
        usable = all(not port or (port.isdecimal() and 0 < int(port) < 65536) for port in ports)
    except psycopg.Error:
        usable = False
    if not usable:
        raise ma.ValidationError(
            "Postgres does not understand it. Characters in a password are written with %, options are libpq's."
        )


def _free_schema(name: str) -> None:
    if name in (MIRROR_SCHEMA, "information_schema") or name.startswith("pg_"):
        raise ma.ValidationError("Is a schema that means something else.")


def _usable_redis_url(url: str) -> None:
    try:
        redis_options(url)
    except ValueError as exc:
        raise ma.ValidationError(str(exc)) from None


_HTTP_URL = validate.URL(schemes={"http", "https"}, require_tld=False)


def _is(field: ma.fields.Field[Any], *, secret: bool = False, variable: str | None = None) -> Any:
    """Return a field of `Settings` that *field* reads from *variable*: its own name in capitals unless given."""
    return dataclasses.field(repr=not secret, metadata={"field": field, "variable": variable})


def _text(*checks: Callable[[str], Any], **options: Any) -> ma.fields.Str:
    return ma.fields.Str(validate=list(checks), **options)


def _number(default: int, least: int, most: int) -> ma.fields.Int:
    return ma.fields.Int(load_default=default, validate=validate.Range(min=least, max=most))


def _header(default: str | None) -> ma.fields.Str:
    name = validate.Regexp(r"[A-Za-z0-9-]+\Z", error="Must be the name of an HTTP header.")
    return _text(name, _header_name, load_default=default)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What the operator chose. The repr leaves secrets out: no traceback or log shows them."""

    database_url: str = _is(_text(_usable_database_url, required=True), secret=True)
    database_schema: str = _is(
        _text(
            validate.Regexp(
                r"[a-z_][a-z0-9_]{0,62}\Z",
                error="Must be lower-case letters, digits and _, and not begin with a digit.",
            ),
            _free_schema,
            load_default=DEFAULT_SCHEMA,
        )
    )
    redis_url: str = _is(_text(_usable_redis_url, required=True), secret=True)
    pluggy_api_url: str = _is(
        _Address(load_default="https://api.pluggy.ai", validate=[_HTTP_URL, _encrypted, _without_query])
    )
    pluggy_client_id: str = _is(_text(required=True))
    # Not checked: the form of a client secret is not fixed (Pluggy facts 1.2).
    pluggy_client_secret: str = _is(_text(required=True), secret=True)
    pluggy_timeout_s: float = _is(ma.fields.Float(load_default=30.0, validate=validate.Range(min=0.1, max=120)))
    # A little less than Pluggy's 360, which it counts by its own clock (Pluggy facts 6).
    pluggy_requests_per_minute: int = _is(_number(350, 1, 100_000))
    # Names the address from which this process asks, so that processes behind different ones have budgets of their own.
    egress_address: str | None = _is(_text(validate.Length(max=100), load_default=None))
    pluggy_proxies: tuple[str, ...] = _is(_Secrets(load_default=(), validate=_proxy_urls), secret=True)
    pluggy_public_key: str | None = _is(_Pem(load_default=None, validate=_rsa_public_key))
    pluggy_connect_url: str = _is(
        _text(
            _HTTP_URL,
            _encrypted,
            load_default="https://cdn.pluggy.ai/pluggy-connect/v2.9.2/pluggy-connect.js",
        )
    )
    # Pluggy's public status page; None: it is not asked.
    status_page_url: str | None = _is(_Address(load_default=None, validate=[_HTTP_URL, _encrypted, _without_query]))
    webhook_secrets: tuple[str, ...] = _is(_Secrets(required=True, validate=_header_values), secret=True)
    webhook_secret_header: str = _is(_header("X-Webhook-Secret"))
    # At most what all requests of a web process may hold together (`webhook_app.front.areas`).
    webhook_max_bytes: int = _is(_number(4 * ONE_MIB, 1024, 64 * ONE_MIB))
    # From where deliveries may come; none: from anywhere.
    webhook_allowed_ips: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = _is(_Networks(load_default=()))
    # None: deliveries need no signature.
    webhook_signature_secrets: tuple[str, ...] = _is(_Secrets(load_default=()), secret=True)
    webhook_signature_header: str = _is(_header("X-HMAC-SHA512-Signature"))
    webhook_signature_algorithm: str = _is(_text(validate.OneOf(["sha256", "sha512"]), load_default="sha512"))
    webhook_signature_encoding: str = _is(_text(validate.OneOf(["base64", "hex"]), load_default="base64"))
    webhook_signature_secret_encoding: str = _is(_text(validate.OneOf(["text", "base64", "hex"]), load_default="text"))
    # With one, the signed text is its value, a dot, and the body.
    webhook_signature_timestamp_header: str | None = _is(_header(None))
    webhook_signature_tolerance_s: int = _is(_number(300, 1, 86_400))
    # Where a web process keeps what Pluggy delivers while Postgres is away; None: it is answered 503.
    spill_folder: str | None = _is(_text(load_default=None))
    spill_max_mb: int = _is(_number(256, 1, 100_000))
    api_tokens: tuple[str, ...] = _is(_Secrets(required=True, validate=_header_values), secret=True)
    product_webhook_url: str | None = _is(_text(_HTTP_URL, load_default=None))
    product_webhook_secrets: tuple[str, ...] = _is(
        _Secrets(load_default=(), validate=_standard_webhooks_secrets), secret=True, variable="PRODUCT_WEBHOOK_SECRET"
    )
    # Where endpoints of the product may be, beside public addresses.
    endpoint_allowed_networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = _is(
        _Networks(load_default=())
    )
    # How persons know the company's product. None: the page names nobody.
    product_name: str | None = _is(_text(validate.Length(max=60), load_default=None))
    # In Portuguese the name has an article; None: by the last letter of its first word.
    product_article: str | None = _is(_text(validate.OneOf(["a", "o", "none"]), load_default=None))
    product_logo_url: str | None = _is(_text(_HTTP_URL, _encrypted, load_default=None))
    product_color: str | None = _is(
        _text(validate.Regexp(r"#[0-9a-fA-F]{6}\Z", error="Must be a colour such as #1a7f5a."), load_default=None)
    )
    product_help_url: str | None = _is(_text(_HTTP_URL, _encrypted, load_default=None))
    product_privacy_url: str | None = _is(_text(_HTTP_URL, _encrypted, load_default=None))
    product_return_urls: tuple[str, ...] = _is(_Addresses(load_default=(), validate=_return_addresses))
    product_texts_folder: str | None = _is(_text(_usable_texts, load_default=None))
    # Proxies of ours between clients and this service, each of which adds the address that it saw.
    trusted_proxy_hops: int = _is(_number(0, 0, 10))
    public_url: str = _is(_Address(required=True, validate=[_HTTP_URL, _encrypted, _without_query, _without_path]))
    secret_key: str = _is(_text(validate.Length(min=32), required=True), secret=True)
    # They open what they have sealed and signed, and seal nothing more.
    previous_secret_keys: tuple[str, ...] = _is(_Secrets(load_default=(), validate=_long_keys), secret=True)
    sync_overlap_days: int = _is(_number(3, 0, 365))
    # A heartbeat renews it three times as often: below 2 s a run would lose its lease in a slow moment of Postgres.
    # After a kill the Item waits for the end of the lease and for a sweep: more than 5 minutes is of no use.
    sync_lease_s: int = _is(_number(30, 2, 300))
    sweep_interval_s: int = _is(_number(10, 1, 3600))
    # Hours after an action was opened at which its reminders are due.
    remind_after_hours: tuple[int, ...] = _is(_Hours(load_default=(24, 72, 168)))
    # First and last hour of the night in São Paulo, in which nobody is reminded; None: no such hours.
    quiet_hours: tuple[int, int] | None = _is(_QuietHours(load_default=(22, 8)))
    stale_after_hours: int = _is(_number(DEFAULT_STALE_AFTER_HOURS, 1, 24 * 30))
    reconcile_every_days: int = _is(_number(7, 1, 365))
    reconcile_per_round: int | None = _is(ma.fields.Int(load_default=None, validate=validate.Range(min=0, max=5000)))
    # The console: who may sign in, by password or at an identity provider (OIDC), and for how long.
    console_logins: tuple[tuple[str, str], ...] = _is(_Logins(load_default=()), secret=True)
    console_oidc_issuer: str | None = _is(_Address(load_default=None, validate=[_HTTP_URL, _encrypted, _without_query]))
    console_oidc_client_id: str | None = _is(_text(load_default=None))
    console_oidc_client_secret: str | None = _is(_text(load_default=None), secret=True)
    # E-mail addresses, or `@` and a domain.
    console_oidc_allowed: tuple[str, ...] = _is(_Addresses(load_default=()))
    # Where operators open it. None: at whatever address the browser asks.
    console_url: str | None = _is(_Address(load_default=None, validate=[_HTTP_URL, _encrypted, _without_query]))
    console_session_hours: int = _is(_number(12, 1, 24 * 7))
    # How long is kept what grows with time, in days; None: for ever (`rules/retention.py`).
    keep_event_payloads_days: int | None = _is(_Days(30))
    # By its id an event is known when Pluggy sends it again, which it does for days and an operator for longer.
    keep_events_days: int | None = _is(_Days(90, least=7))
    keep_dead_letters_days: int | None = _is(_Days(365, least=7))
    keep_attempts_days: int | None = _is(_Days(30))
    # Not less than they are tried, nor than a product that reads them by cursor may be away.
    keep_notifications_days: int | None = _is(_Days(90, least=7))
    keep_sync_runs_days: int | None = _is(_Days(90))
    keep_submissions_days: int | None = _is(_Days(180))
    keep_actions_days: int | None = _is(_Days(365, least=7))
    keep_balances_days: int | None = _is(_Days(365))
    # Not less than a refused sign-in counts.
    keep_audit_entries_days: int | None = _is(_Days(400, least=7))
    keep_bulk_operations_days: int | None = _is(_Days(365))
    # From the end of the session.
    keep_console_sessions_days: int | None = _is(_Days(1))
    keep_figures_days: int | None = _is(_Days(90))
    keep_revisions_days: int | None = _is(_Days(180))
    # Not less than a product that reads the feed by cursor may be away and still hear of every step.
    keep_changes_days: int | None = _is(_Days(365, least=7))
    # Of the Items of a bank that do not wait for their person, so many are to be as fresh as promised.
    freshness_objective_percent: float = _is(
        ma.fields.Float(load_default=99.0, validate=validate.Range(min=50, max=100))
    )
    # A collector of OpenTelemetry, beside which the rest of its own variables are read; None: nothing is traced.
    trace_endpoint: str | None = _is(
        _Address(load_default=None, validate=[_HTTP_URL, _without_query]), variable="OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    log_level: str = _is(_text(validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]), load_default="INFO"))

    @property
    def stale_after(self) -> timedelta:
        """How far an Item may be behind its expected update before it is stale."""
        return timedelta(hours=self.stale_after_hours)

    @property
    def webhook_signature_keys(self) -> tuple[bytes, ...]:
        """The secrets of the signature as keys."""
        encoding = self.webhook_signature_secret_encoding
        return tuple(signature_key(each, encoding) for each in self.webhook_signature_secrets)


def signature_key(secret: str, encoding: str) -> bytes:
    """
    Return *secret* decoded as *encoding* says: text, base64 or hex.

    Raises:
        ValueError: it is not written so.
    """
    if encoding == "hex":
        return bytes.fromhex(secret)
    return base64.b64decode(secret, validate=True) if encoding == "base64" else secret.encode()


def _variable(setting: dataclasses.Field[Any]) -> str:
    return setting.metadata["variable"] or setting.name.upper()


class _Checks(ma.Schema):
    """What is checked of the settings together. The fields are those of `Settings`."""

    class Meta:
        unknown = ma.EXCLUDE  # variables that are not ours are passed over

    @ma.validates_schema(skip_on_field_errors=False)
    def _a_product_that_is_told_must_be_able_to_verify(self, data: Mapping[str, Any], **_: Any) -> None:
        if data.get("PRODUCT_WEBHOOK_URL") and not data.get("PRODUCT_WEBHOOK_SECRET"):
            raise ma.ValidationError("Missing, though PRODUCT_WEBHOOK_URL is set.", field_name="PRODUCT_WEBHOOK_SECRET")

    @ma.validates_schema(skip_on_field_errors=False)
    def _secrets_of_a_signature_are_keys(self, data: Mapping[str, Any], **_: Any) -> None:
        secrets = data.get("WEBHOOK_SIGNATURE_SECRETS") or ()
        encoding = data.get("WEBHOOK_SIGNATURE_SECRET_ENCODING") or "text"
        try:
            keys = [signature_key(each, encoding) for each in secrets]
        except ValueError:
            raise ma.ValidationError(
                f"Each value must be {encoding}.", field_name="WEBHOOK_SIGNATURE_SECRETS"
            ) from None
        if any(len(key) < 16 for key in keys):
            raise ma.ValidationError("Each value must have at least 16 bytes.", field_name="WEBHOOK_SIGNATURE_SECRETS")

    @ma.validates_schema(skip_on_field_errors=False)
    def _not_everybody_whom_a_provider_knows_may_sign_in(self, data: Mapping[str, Any], **_: Any) -> None:
        if not data.get("CONSOLE_OIDC_ISSUER"):
            return
        needed = ("CONSOLE_OIDC_CLIENT_ID", "CONSOLE_OIDC_CLIENT_SECRET", "CONSOLE_OIDC_ALLOWED", "CONSOLE_URL")
        missing = {name: ["Missing, though CONSOLE_OIDC_ISSUER is set."] for name in needed if not data.get(name)}
        if missing:
            raise ma.ValidationError(missing)


_FIELDS = {_variable(each): each for each in dataclasses.fields(Settings)}
_schema = _Checks.from_dict({variable: each.metadata["field"] for variable, each in _FIELDS.items()})()


def setting_names() -> list[str]:
    """Return the names of all the environment variables that are read, sorted."""
    return sorted(_FIELDS)


def secret_names() -> list[str]:
    """Return the names of the variables that hold a secret, sorted. `NAME_FILE` may name a file that holds it."""
    return sorted(name for name, each in _FIELDS.items() if not each.repr)


def required_names() -> frozenset[str]:
    """Return the names of the variables that have no default."""
    return frozenset(name for name, each in _FIELDS.items() if each.metadata["field"].required)


def read_settings(environ: Mapping[str, str], *, without: Collection[str] = ()) -> Settings:
    """
    Return the settings in *environ*. A variable that is set to nothing counts as not set.

    *without*: required ones that this process has no use for; one that is missing is empty. Of a secret, `NAME_FILE`
    may name a file that holds it.

    Raises:
        SettingsError: names every missing or bad variable at once.
    """
    given = {name: environ[name] for name in _FIELDS if environ.get(name, "").strip()}
    unreadable = _add_files(given, environ)
    unclean = unreadable | {
        name: ["Must hold no line ends or other control characters."]
        for name, value in given.items()
        if not isinstance(_FIELDS[name].metadata["field"], _Pem) and not value.isprintable()
    }
    try:
        values = _schema.load(given, partial=tuple({*without, *unreadable}))
    except ma.ValidationError as exc:
        raise _error({**exc.messages_dict, **unclean}) from None
    if unclean:
        raise _error(unclean)
    return Settings(**{each.name: values.get(name, _nothing(each)) for name, each in _FIELDS.items()})


def _nothing(setting: dataclasses.Field[Any]) -> str | tuple[()]:
    return "" if isinstance(setting.metadata["field"], ma.fields.Str) else ()


def _add_files(given: dict[str, str], environ: Mapping[str, str]) -> dict[str, list[str]]:
    """Add the secrets that are in files to *given*; return the faults, by the name of the secret."""
    faults = {}
    for name in secret_names():
        file = environ.get(f"{name}_FILE", "").strip()
        if not file:
            continue
        if name in given:
            faults[name] = [f"Set it or {name}_FILE, not both."]
            continue
        try:
            given[name] = Path(file).read_text().strip("\r\n")
        except (OSError, ValueError) as exc:
            faults[name] = [f"{name}_FILE cannot be read ({type(exc).__name__})."]
            continue
        if not given[name].strip():
            del given[name]
            faults[name] = [f"{name}_FILE names a file with nothing in it."]
    return faults


def _error(messages: Mapping[str, list[str]]) -> SettingsError:
    faults = [f"  {name}: {' '.join(each)}" for name, each in sorted(messages.items())]
    return SettingsError("These settings are missing or wrong:\n" + "\n".join(faults))
