"""Settings: every fault is reported at once, secrets do not show, and each setting is documented."""

import re
from pathlib import Path

import pytest

from pluggy_sync.settings import SettingsError, read_settings, secret_names, setting_names
from tests.kit.factories import PRODUCT_SECRET, a_settings, an_environ

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"

REQUIRED = [
    "API_TOKENS",
    "DATABASE_URL",
    "PLUGGY_CLIENT_ID",
    "PLUGGY_CLIENT_SECRET",
    "PUBLIC_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "WEBHOOK_SECRETS",
]


def test_all_faults_are_reported_together():
    bad = an_environ(DATABASE_URL="mysql://x", SECRET_KEY="short", WEBHOOK_SECRETS=None, SYNC_OVERLAP_DAYS="three")

    with pytest.raises(SettingsError) as caught:
        read_settings(bad)

    for name in ("DATABASE_URL", "SECRET_KEY", "WEBHOOK_SECRETS", "SYNC_OVERLAP_DAYS"):
        assert name in str(caught.value)
    assert "REDIS_URL" not in str(caught.value)


def test_a_fault_between_two_settings_is_reported_with_the_others():
    bad = an_environ(PRODUCT_WEBHOOK_URL="https://product.example/hook", SECRET_KEY="short", LOG_LEVEL="LOUD\n")

    with pytest.raises(SettingsError) as caught:
        read_settings(bad)

    assert re.findall(r"^  (\w+):", str(caught.value), re.MULTILINE) == [
        "LOG_LEVEL",
        "PRODUCT_WEBHOOK_SECRET",
        "SECRET_KEY",
    ]


def test_an_empty_environment_names_everything_that_is_required_and_nothing_else():
    with pytest.raises(SettingsError) as caught:
        read_settings({})

    assert re.findall(r"^  (\w+):", str(caught.value), re.MULTILINE) == REQUIRED


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, "", "   "])
def test_what_is_required_cannot_be_left_out_or_empty(name, value):
    with pytest.raises(SettingsError, match=name):
        a_settings(**{name: value})


@pytest.mark.parametrize(
    "name, value",
    [
        ("REDIS_URL", "127.0.0.1:6379"),
        ("PLUGGY_API_URL", "ftp://api.pluggy.ai"),
        ("PLUGGY_TIMEOUT_S", "0"),
        ("WEBHOOK_SECRETS", "short"),
        ("WEBHOOK_SECRETS", "long-enough-for-a-secret,short"),
        ("WEBHOOK_SECRETS", ", ,"),
        ("WEBHOOK_SECRET_HEADER", "X Secret: y"),
        ("API_TOKENS", "short"),
        ("PUBLIC_URL", "example"),
        ("PRODUCT_WEBHOOK_SECRET", "whsec_not base64!"),
        ("SYNC_OVERLAP_DAYS", "-1"),
        ("LOG_LEVEL", "LOUD"),
        # Every delivery would be answered 401, which Pluggy does not repeat.
        ("WEBHOOK_SECRETS", "sênha-que-ninguém-pode-enviar"),
        ("WEBHOOK_SECRETS", "long-enough-for-a-secret\x00"),
        ("WEBHOOK_SECRETS", "with a space in the middle"),
        ("WEBHOOK_SECRETS", "long-enough-for-a-secret,\nanother-that-is-long-enough"),
        ("WEBHOOK_SECRETS", "long-enough-for-a-secret\u200b"),
        ("API_TOKENS", "sênha-que-ninguém-pode-enviar"),
        ("API_TOKENS", "with a space in the middle"),
        ("WEBHOOK_SECRET_HEADER", "X-Secret\n"),
        ("WEBHOOK_SECRET_HEADER", "Content-Type"),
        ("WEBHOOK_SECRET_HEADER", "X-Señha"),
        ("SECRET_KEY", "a-secret-key-of-the-tests-that-is-long-enough\n"),
        ("PLUGGY_CLIENT_ID", "client\nid"),
        ("PLUGGY_CLIENT_SECRET", "secret\r\n"),
        # Links that carry a key, credentials, and a script, in the clear.
        ("PUBLIC_URL", "http://pluggy-sync.example.com"),
        ("PUBLIC_URL", "http://127.0.0.1.example.com"),
        ("PUBLIC_URL", "http://10.0.0.5:8000"),
        ("PUBLIC_URL", "https://example.com/?a=b"),
        ("PUBLIC_URL", "https://example.com#a"),
        ("PUBLIC_URL", "https://user:password@example.com"),
        ("PUBLIC_URL", "https://example.com:99999"),
        ("PUBLIC_URL", "https://exa mple.com"),
        ("PUBLIC_URL", "https://example.com\n"),
        ("PLUGGY_API_URL", "http://api.pluggy.ai"),
        ("PLUGGY_API_URL", "https://api.pluggy.ai?x=1"),
        ("PLUGGY_CONNECT_URL", "http://cdn.pluggy.ai/pluggy-connect.js"),
        ("PRODUCT_WEBHOOK_URL", "product.example/hook"),
        ("PRODUCT_WEBHOOK_SECRET", "whsec_"),
        ("PRODUCT_WEBHOOK_SECRET", "whsec_c2hvcnQ="),
        ("PRODUCT_WEBHOOK_SECRET", "whsec_sênha"),
        ("DATABASE_URL", "postgresql://user:pass@host:port/name"),
        ("DATABASE_URL", "postgresql://host/name?pool_mode=transaction"),
        ("DATABASE_URL", "postgresql://[host/name"),
        ("DATABASE_URL", "postgresql://host/name\n"),
        ("DATABASE_SCHEMA", "Pluggy"),
        ("DATABASE_SCHEMA", '"; DROP'),
        ("DATABASE_SCHEMA", "pg_catalog"),
        ("DATABASE_SCHEMA", "mirror"),
        ("DATABASE_SCHEMA", "a" * 64),
        ("REDIS_URL", "redis://host/0\n"),
        ("WEBHOOK_MAX_BYTES", "67108865"),
        ("WEBHOOK_MAX_BYTES", "9" * 5000),
        ("SYNC_OVERLAP_DAYS", "1e3"),
        ("PLUGGY_TIMEOUT_S", "nan"),
        ("PLUGGY_TIMEOUT_S", "inf"),
        ("QUIET_HOURS", "22-24"),
        ("REMIND_AFTER_HOURS", "3,2"),
        ("PLUGGY_PUBLIC_KEY", "no key"),
    ],
)
def test_a_bad_value_is_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=name):
        a_settings(**{name: value})


@pytest.mark.parametrize(
    "name, value",
    [
        ("PUBLIC_URL", "http://localhost:8000"),
        ("PUBLIC_URL", "http://[::1]:8000"),
        ("PUBLIC_URL", "https://banks.example.com"),
        ("PLUGGY_API_URL", "http://127.0.0.1:8001"),
        ("PRODUCT_WEBHOOK_URL", "http://product:8080/hook?key=1"),
        (
            "DATABASE_URL",
            "postgres://user:p%40ss@one:5432,two:5433/name?sslmode=verify-full&target_session_attrs=primary",
        ),
        ("DATABASE_URL", "postgresql+psycopg:///name?host=/var/run/postgresql"),
        ("SECRET_KEY", "uma chave com espaços e letras de todo tipo: çãé"),
    ],
)
def test_what_can_work_is_taken(name, value):
    a_settings(**{name: value, "PRODUCT_WEBHOOK_SECRET": PRODUCT_SECRET})


def test_an_address_has_no_slash_at_its_end():
    settings = a_settings(PUBLIC_URL="https://example.com//", PLUGGY_API_URL="https://api.pluggy.ai/")

    assert (settings.public_url, settings.pluggy_api_url) == ("https://example.com", "https://api.pluggy.ai")


def test_a_fault_does_not_show_the_value():
    with pytest.raises(SettingsError) as caught:
        a_settings(SECRET_KEY="hunter2", DATABASE_URL="mysql://user:hunter2@host/db", API_TOKENS="hunter2")

    assert "hunter2" not in str(caught.value)


def test_all_secrets_of_a_list_are_valid_at_once():
    settings = a_settings(WEBHOOK_SECRETS="the-old-secret-value, the-new-secret-value ,")

    assert settings.webhook_secrets == ("the-old-secret-value", "the-new-secret-value")


def test_the_defaults_are_those_of_real_pluggy():
    settings = a_settings(PLUGGY_API_URL=None)

    assert settings.pluggy_api_url == "https://api.pluggy.ai"
    assert settings.webhook_secret_header == "X-Webhook-Secret"
    assert settings.sync_overlap_days == 3
    assert settings.product_webhook_url is None


def test_a_product_that_is_told_needs_a_secret_to_verify_with():
    with pytest.raises(SettingsError, match="PRODUCT_WEBHOOK_SECRET"):
        a_settings(PRODUCT_WEBHOOK_URL="https://product.example/hook")


def test_no_secret_shows_in_the_repr():
    environ = an_environ(PRODUCT_WEBHOOK_SECRET="whsec_c2VjcmV0IG9mIHRoZSBwcm9kdWN0")
    shown = repr(read_settings(environ))

    secrets = ("PLUGGY_CLIENT_SECRET", "WEBHOOK_SECRETS", "API_TOKENS", "SECRET_KEY", "DATABASE_URL", "REDIS_URL")
    for name in (*secrets, "PRODUCT_WEBHOOK_SECRET"):
        assert environ[name] not in shown


def test_every_setting_is_documented_and_nothing_else_is():
    of_the_service = DOCUMENT.read_text().partition("\n## Of the processes\n")[0]
    documented = re.findall(r"^\| `(\w+)` \|", of_the_service, re.MULTILINE)

    assert documented == setting_names()


@pytest.mark.parametrize("text, days", [("30", 30), (" 7 ", 7), ("36500", 36_500), ("forever", None)])
def test_a_life_is_a_number_of_days_or_for_ever(text, days):
    assert a_settings(KEEP_EVENTS_DAYS=text).keep_events_days == days


@pytest.mark.parametrize("text", ["0", "6", "-1", "1.5", "36501", "ever", "٣"])
def test_a_life_that_is_too_short_or_no_number_is_refused(text):
    with pytest.raises(SettingsError, match="KEEP_EVENTS_DAYS: Must be days, 7 to 36500, or forever"):
        a_settings(KEEP_EVENTS_DAYS=text)


def test_a_secret_may_stand_in_a_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text("a-secret-key-of-a-file-that-is-long-enough\n")

    found = a_settings(SECRET_KEY=None, SECRET_KEY_FILE=str(file))

    assert found.secret_key == "a-secret-key-of-a-file-that-is-long-enough"


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_file_of_a_secret_that_cannot_be_read_or_is_empty_is_a_fault(tmp_path, content):
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content)

    with pytest.raises(SettingsError, match="SECRET_KEY: SECRET_KEY_FILE"):
        a_settings(SECRET_KEY=None, SECRET_KEY_FILE=str(file))


def test_what_is_in_a_file_is_checked_and_not_quoted(tmp_path):
    file = tmp_path / "secret"
    file.write_text("too-short")

    with pytest.raises(SettingsError, match="SECRET_KEY") as caught:
        a_settings(SECRET_KEY=None, SECRET_KEY_FILE=str(file))

    assert "too-short" not in str(caught.value)


def test_a_secret_and_its_file_exclude_each_other(tmp_path):
    with pytest.raises(SettingsError, match="SECRET_KEY: Set it or SECRET_KEY_FILE, not both"):
        a_settings(SECRET_KEY_FILE=str(tmp_path))


def test_only_secrets_are_read_from_files(tmp_path):
    file = tmp_path / "level"
    file.write_text("DEBUG")

    assert a_settings(LOG_LEVEL_FILE=str(file)).log_level == "INFO"


def test_every_secret_is_named_where_files_of_secrets_are_explained():
    explained = DOCUMENT.read_text().partition("\n## Secrets in files\n")[2].partition("\n## ")[0]
    listed = explained.partition("The secrets: ")[2].partition(".")[0]

    assert re.findall(r"`(\w+)`", listed) == secret_names()


def test_a_process_may_do_without_what_it_does_not_use():
    found = read_settings(an_environ(API_TOKENS=None, SECRET_KEY=None), without={"API_TOKENS", "SECRET_KEY"})

    assert (found.api_tokens, found.secret_key) == ((), "")
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        read_settings(an_environ(SECRET_KEY="short"), without={"SECRET_KEY"})


@pytest.mark.parametrize("url", ["https://example.com/pluggy", "https://example.com/a/b", "http://127.0.0.1:8000/x"])
def test_an_address_with_a_path_is_refused_as_the_public_one(url):
    with pytest.raises(SettingsError, match="PUBLIC_URL: Must end with its host"):
        a_settings(PUBLIC_URL=url)


def test_a_slash_at_the_end_of_the_public_address_is_no_path():
    assert a_settings(PUBLIC_URL="https://example.com/").public_url == "https://example.com"
