"""The institutions on offer (Pluggy facts 3.9, 7.1)."""

from dataclasses import dataclass, replace
from enum import Enum

from pluggy_sandbox.wire.encoding import Json

PRODUCTS = (
    "ACCOUNTS", "CREDIT_CARDS", "TRANSACTIONS", "PAYMENT_DATA", "INVESTMENTS", "INVESTMENTS_TRANSACTIONS", "IDENTITY",
    "BROKERAGE_NOTE", "MOVE_SECURITY", "LOANS", "ACCOUNT_STATEMENTS",
)  # fmt: skip
CONNECTOR_STATUSES = ("ONLINE", "UNSTABLE", "OFFLINE")
SANDBOX_PRODUCTS = (
    "ACCOUNTS", "CREDIT_CARDS", "TRANSACTIONS", "PAYMENT_DATA", "INVESTMENTS", "INVESTMENTS_TRANSACTIONS", "IDENTITY",
    "LOANS",
)  # fmt: skip
# What the regulated institutions serve, in the Open Finance directory's words; direct connectors do not say.
COVERAGE = (
    "ACCOUNTS", "CREDIT_CARDS_ACCOUNTS", "CREDIT_OPERATIONS:LOANS", "CREDIT_OPERATIONS:FINANCINGS",
    "INVESTMENTS:BANK_FIXED_INCOMES", "INVESTMENTS:TREASURE_TITLES", "INVESTMENTS:FUNDS",
    "INVESTMENTS:VARIABLE_INCOMES",
)  # fmt: skip


class Login(Enum):
    """How an execution of this connector asks for the person."""

    PASSWORD = "password"  # noqa: S105 - a word, not a secret
    ONE_STEP = "one step"  # a token beside the credentials
    TWO_STEPS = "two steps"  # a token asked for later
    QR = "qr"
    OPEN_FINANCE = "open finance"
    ELSEWHERE = "elsewhere"  # MeuPluggy: connected at meu.pluggy.ai


@dataclass(frozen=True)
class Field:
    """One credential that a connector asks for."""

    name: str
    label: str
    type: str = "text"
    validation: str | None = None
    message: str | None = None
    placeholder: str | None = None
    assistive_text: str | None = None
    instructions: str | None = None
    mfa: bool = False
    optional: bool = False
    options: tuple[tuple[str, str], ...] = ()

    def view(self) -> Json:
        """Return it as the API serves it; nested keys without a value are absent."""
        view: Json = {"name": self.name, "label": self.label, "type": self.type, "optional": self.optional}
        extras = {
            "validation": self.validation,
            "validationMessage": self.message,
            "placeholder": self.placeholder,
            "assistiveText": self.assistive_text,
            "instructions": self.instructions,
            "mfa": self.mfa or None,
            "options": [{"value": v, "label": t} for v, t in self.options] or None,
        }
        return view | {key: value for key, value in extras.items() if value is not None}


@dataclass(frozen=True)
class Connector:
    """One institution."""

    id: int
    name: str
    login: Login = Login.PASSWORD
    type: str = "PERSONAL_BANK"
    fields: tuple[Field, ...] = ()
    products: tuple[str, ...] = SANDBOX_PRODUCTS
    is_sandbox: bool = True
    is_open_finance: bool = False
    color: str = "ef294b"
    # Of institutions that have several connectors: they share customers. "": this is the only one.
    institution: str = ""

    @property
    def has_mfa(self) -> bool:
        """Whether an execution asks for something that must be new each time."""
        return self.login in (Login.ONE_STEP, Login.TWO_STEPS, Login.QR)


USER = Field("user", "Usuário", placeholder="user-ok")
PASSWORD = Field("password", "Senha", "password", placeholder="password-ok")
TOKEN = Field(
    "token",
    "Token",
    "number",
    validation="^[0-9]{6}$",
    message="O token tem 6 dígitos",
    instructions="Abra o aplicativo do banco e gere um código de acesso.",
    mfa=True,
)
CPF = Field("cpf", "CPF", validation=r"^\d{3}\.?\d{3}\.?\d{3}-?\d{2}$", message="O CPF tem 11 dígitos")
CERTIFICATE = Field(
    "certificate",
    "Certificado (base64)",
    assistive_text="O arquivo .pfx da empresa, em base64",
    instructions="No internet banking, abra Configurações, Certificado digital, e exporte o arquivo .pfx.",
)
COOPERATIVE = Field("cooperative", "Cooperativa", "select", options=(("0001", "Cooperativa Centro"), ("0002", "Sul")))

_PAIR = (USER, PASSWORD)

CATALOGUE: tuple[Connector, ...] = (
    Connector(0, "Pluggy Bank", fields=_PAIR),
    Connector(1, "Pluggy Bank MFA 1 step", Login.ONE_STEP, fields=(*_PAIR, TOKEN)),
    Connector(2, "Pluggy Bank", fields=_PAIR),
    Connector(3, "Pluggy Bank MFA 2 steps", Login.TWO_STEPS, fields=_PAIR),
    Connector(4, "Pluggy Bank MFA 1 step", Login.ONE_STEP, fields=(*_PAIR, TOKEN)),
    Connector(5, "Pluggy Bank MFA 2 steps", Login.TWO_STEPS, fields=_PAIR),
    Connector(8, "Pluggy Bank Business", type="BUSINESS_BANK", fields=_PAIR),
    Connector(9, "Pluggy Bank Joint Account", Login.ONE_STEP, fields=(*_PAIR, TOKEN)),
    Connector(10, "Pluggy Bank Business MFA 2 steps", Login.TWO_STEPS, "BUSINESS_BANK", _PAIR),
    Connector(11, "Pluggy Bank Business Certificate", type="BUSINESS_BANK", fields=(*_PAIR, CERTIFICATE)),
    Connector(12, "Pluggy Cooperative", fields=(COOPERATIVE, *_PAIR)),
    Connector(13, "Pluggy Cooperative Business", type="BUSINESS_BANK", fields=(COOPERATIVE, *_PAIR)),
    Connector(16, "Pluggy Broker", type="INVESTMENT", fields=_PAIR),
    Connector(17, "Pluggy Broker MFA 1 step", Login.ONE_STEP, "INVESTMENT", (*_PAIR, TOKEN)),
    Connector(18, "Pluggy Broker MFA 2 steps", Login.TWO_STEPS, "INVESTMENT", _PAIR),
    Connector(19, "Pluggy Bank QR", Login.QR),
    Connector(20, "Pluggy Acquirer", type="OTHER", fields=_PAIR),
    Connector(200, "MeuPluggy", Login.ELSEWHERE, is_sandbox=False),
    Connector(
        201, "Itaú", fields=(replace(CPF, optional=True), *_PAIR), is_sandbox=False, color="ec7000", institution="itau"
    ),
    Connector(500, "Pluggy Test Bank", fields=_PAIR),
    Connector(600, "Pluggy Open Finance Mock", Login.OPEN_FINANCE, fields=(CPF,), is_open_finance=True),
    Connector(
        601,
        "Itaú",
        Login.OPEN_FINANCE,
        fields=(CPF,),
        is_sandbox=False,
        is_open_finance=True,
        color="ec7000",
        institution="itau",
    ),
)
BY_ID: dict[int, Connector] = {connector.id: connector for connector in CATALOGUE}


@dataclass
class Health:
    """How an institution is doing now."""

    status: str = "ONLINE"
    stage: str | None = None

    def view(self) -> Json:
        """Return it as the API serves it; incidents and details are added where there are any."""
        return {"status": self.status, "stage": self.stage}


def view(connector: Connector, health: Json, address: str) -> Json:
    """Return a connector as the API serves it; *address* is where this sandbox is reached."""
    coverage = {"productCoverage": list(COVERAGE)} if connector.is_open_finance else {}
    return {
        "id": connector.id,
        "name": connector.name,
        "institutionUrl": "https://pluggy.ai",
        "imageUrl": f"{address}/_sandbox/connectors/{connector.id}.svg",
        "primaryColor": connector.color,
        "type": connector.type,
        "country": "BR",
        "credentials": [f.view() for f in connector.fields],
        "hasMFA": connector.has_mfa,
        "products": list(connector.products),
        "oauth": connector.is_open_finance,
        "oauthUrl": None,
        "resetPasswordUrl": None,
        **coverage,
        "health": health,
        "isSandbox": connector.is_sandbox,
        "isOpenFinance": connector.is_open_finance,
        "supportsPaymentInitiation": connector.is_open_finance,
        "supportsScheduledPayments": False,
        "supportsSmartTransfers": False,
        "supportsBoletoManagement": False,
        "supportsAutomaticPix": False,
        "createdAt": "2020-09-07T00:08:06.588Z",
        "updatedAt": "2026-06-01T12:00:00.000Z",
    }
