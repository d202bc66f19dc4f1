"""
What a run on this machine will consist of: its ports, its addresses, the settings of its processes.

What the environment names is used as it is: each of DATABASE_URL, REDIS_URL, PLUGGY_API_URL and
PRODUCT_WEBHOOK_URL stands for something that is then not started here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from console.pages import passwords
from standalone import keys, ports

Say = Callable[[str], None]

DEFAULT_PORTS = {"web": 8000, "sandbox": 8001, "wallet": 8002, "flower": 5555, "console": 5556, "valkey": 6390}
DEFAULT_SECRET_HEADER = "X-Webhook-Secret"  # noqa: S105  # the header's name

# What is started here, unless this names another one.
INSTEAD_OF = {
    "postgres": "DATABASE_URL",
    "valkey": "REDIS_URL",
    "sandbox": "PLUGGY_API_URL",
    "wallet": "PRODUCT_WEBHOOK_URL",
}
_WORTH_KNOWING = (
    "DATABASE_URL",
    "DATABASE_SCHEMA",
    "REDIS_URL",
    "PLUGGY_API_URL",
    "PLUGGY_CONNECT_URL",
    "PLUGGY_CLIENT_ID",
    "PLUGGY_CLIENT_SECRET",
    "WEBHOOK_SECRETS",
    "WEBHOOK_SECRET_HEADER",
    "API_TOKENS",
    "PRODUCT_WEBHOOK_URL",
    "PRODUCT_WEBHOOK_SECRET",
    "PUBLIC_URL",
    "SECRET_KEY",
    "SPILL_FOLDER",
    "PORT",
    "FLOWER_BASIC_AUTH",
    "CONSOLE_PASSWORD",
)

# Who may sign in to the console of a run on this machine.
OPERATOR = "operator"


class BadPlanError(Exception):
    """What was given cannot be carried out; the text says what is wrong with it."""


@dataclass(frozen=True)
class Plan:
    """*env* is what every process gets; DATABASE_URL and REDIS_URL are added once those two are prepared."""

    data_dir: Path
    given: Mapping[str, str] = field(repr=False)
    port: Mapping[str, int]
    env: dict[str, str] = field(repr=False)

    def starts(self, name: str) -> bool:
        """Return whether *name* is started here, and not somewhere else already."""
        return INSTEAD_OF.get(name) not in self.given

    @property
    def addresses(self) -> dict[str, str]:
        """The base URL of each process here that speaks HTTP."""
        return {name: _url(number) for name, number in self.port.items() if name != "valkey"}

    @property
    def webhook_secret(self) -> str:
        """What Pluggy has to send with each event."""
        return _first(self.env["WEBHOOK_SECRETS"])

    @property
    def webhook_secret_header(self) -> str:
        """The header that it sends it in."""
        return self.env.get("WEBHOOK_SECRET_HEADER", DEFAULT_SECRET_HEADER)

    @property
    def api_token(self) -> str:
        """A bearer token for /v1."""
        return _first(self.env["API_TOKENS"])

    @property
    def flower_login(self) -> tuple[str, str]:
        """User and password for Flower."""
        user, _, password = self.env["FLOWER_BASIC_AUTH"].partition(":")
        return user, password

    def worth_knowing(self) -> dict[str, str]:
        """Return the addresses, and the settings with which another process can join in."""
        urls = {f"{name.upper()}_URL": address for name, address in self.addresses.items()}
        return {**urls, **{name: self.env[name] for name in _WORTH_KNOWING if name in self.env}}


def make_plan(data_dir: Path, given: Mapping[str, str], *, say: Say) -> Plan:
    """
    Return the plan for the settings in *given*. Says which ports were taken; makes missing keys.

    Raises:
        BadPlanError: PORT is no port.
    """
    port = _choose_ports(given, say)
    made = keys.kept_keys(data_dir / "keys.env")
    if "PLUGGY_API_URL" in given:
        # Made-up ones are for the sandbox. Without them, the settings' own check says what is missing.
        made = {name: value for name, value in made.items() if not name.startswith("PLUGGY_")}
    password = made.pop("CONSOLE_PASSWORD")
    env = {
        "PUBLIC_URL": _url(port["web"]),
        "WORKER_CONCURRENCY": "2",
        "NOTIFICATION_WORKERS": "2",
        "URGENT_WORKERS": "2",
        "SCHEDULE_WORKERS": "1",
        # Whatever is tried here is on this machine.
        "ENDPOINT_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        **_addresses_as_settings(port),
        **_logins(password, given),
        **made,
        **given,
        "HOST": ports.LOOPBACK,
        "PORT": str(port["web"]),
        "FLOWER_PORT": str(port["flower"]),
        "CONSOLE_PORT": str(port["console"]),
        "BEAT_SCHEDULE": str(data_dir / "beat-schedule"),
        "SPILL_FOLDER": given.get("SPILL_FOLDER", str((data_dir / "spill").absolute())),
        "PYTHONUNBUFFERED": "1",
    }
    if "wallet" in port and "PRODUCT_RETURN_URLS" in given:
        # Persons come back to the wallet as well.
        env["PRODUCT_RETURN_URLS"] += f",{_url(port['wallet'])}/"
    return Plan(data_dir, given, port, env)


def _logins(password: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return who may sign in to the console: our operator with *password*, unless *given* says who."""
    if "CONSOLE_LOGINS" in given or "CONSOLE_OIDC_ISSUER" in given:
        return {}
    return {"CONSOLE_LOGINS": passwords.login(OPERATOR, password), "CONSOLE_PASSWORD": password}


def _choose_ports(given: Mapping[str, str], say: Say) -> dict[str, int]:
    """Return a free port for each process that listens; PORT in *given* is the one wanted for web."""
    wanted = DEFAULT_PORTS | ({"web": _port(given["PORT"])} if "PORT" in given else {})
    chosen: dict[str, int] = {}
    for name, first in wanted.items():
        if INSTEAD_OF.get(name) not in given:
            chosen[name] = ports.next_free(first, taken=set(chosen.values()))
            if chosen[name] != first:
                say(f"port {first} is taken: {name} uses {chosen[name]}")
    return chosen


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise BadPlanError(f"PORT is {text!r}, which is no port")
    return int(text)


def _addresses_as_settings(port: Mapping[str, int]) -> dict[str, str]:
    settings = {}
    if "sandbox" in port:
        settings["PLUGGY_API_URL"] = _url(port["sandbox"])
        settings["PLUGGY_CONNECT_URL"] = _url(port["sandbox"]) + "/pluggy-connect.js"
    if "wallet" in port:
        settings["PRODUCT_NAME"] = "Wallet"
        settings["PRODUCT_WEBHOOK_URL"] = _url(port["wallet"]) + "/notifications"
        settings["PRODUCT_RETURN_URLS"] = _url(port["wallet"]) + "/"
    return settings


def _url(port: int) -> str:
    return f"http://{ports.LOOPBACK}:{port}"


def _first(comma_separated: str) -> str:
    return comma_separated.partition(",")[0].strip()
