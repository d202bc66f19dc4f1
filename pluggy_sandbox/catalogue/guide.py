"""What each test user and each way to log in does, in words for whoever tries the sandbox (Pluggy facts 7)."""

from dataclasses import dataclass

from pluggy_sandbox.catalogue.connectors import Login
from pluggy_sandbox.catalogue.logins import GOOD_JOINT_MFA, GOOD_MFA, GOOD_PASSWORD

LOGINS: dict[Login, str] = {
    Login.PASSWORD: f"User and password ({GOOD_PASSWORD}).",
    Login.ONE_STEP: (
        f"User, password and a code in one: {GOOD_MFA}, good once. Bank 9: {GOOD_JOINT_MFA} connects a joint account."
    ),
    Login.TWO_STEPS: f"User and password; then the Item waits for a code: {GOOD_MFA}.",
    Login.QR: "No credentials: the Item waits until the person has read a QR code. Approve or refuse on its card.",
    Login.OPEN_FINANCE: "A CPF; then the Item waits for a consent, on the bank's own page.",
    Login.ELSEWHERE: "Connected at meu.pluggy.ai.",
}


@dataclass(frozen=True)
class TestUser:
    """A user that the sandbox knows, and what comes of it."""

    name: str
    does: str
    cpf: str = ""  # of a person of Open Finance, who has no user name


CONNECTING = (
    TestUser("user-ok", "Connects, with all data."),
    TestUser("user-ok-account-error", "Connects, but the cards are refused: a partial success."),
    TestUser("user-ok-account-warning", "Connects, with a warning that something may be missing."),
    TestUser("user-ok-two-checking-accounts", "Connects, with two checking accounts and a card."),
    TestUser("user-ok-perf", "Connects, with ten times the rows."),
    TestUser("user-ok-perf-100x", "Connects, with a hundred times the rows. Up to 5000x."),
)
ASKED = (
    TestUser("user-ok-img", "Is asked for the digits in a picture."),
    TestUser("user-ok-select", f"Is asked to choose a code; {GOOD_MFA} is right."),
    TestUser("user-ok-phone", "Chooses a phone, then gives the code."),
    TestUser("user-ok-multi-company", "Gives the code, then chooses a company. Each has data of its own."),
    TestUser("user-ok-auth-pending", "Must approve the device at the bank. Refused for two minutes, good after."),
)
FAILING = (
    TestUser("user-bad", "Wrong password: needs new credentials."),
    TestUser("user-account-credentials-reset", "The bank wants new credentials."),
    TestUser("user-locked", "The account is locked: the person must talk to the bank."),
    TestUser("user-account-need-actions", "The person must do something at the bank."),
    TestUser("user-account-need-actions-provider-message", "The same, and the bank says what."),
    TestUser("user-logged", "Has another session open."),
    TestUser("user-not-supported", "Has a profile without access."),
    TestUser("user-unavailable", "The bank is down. In production tried again every hour."),
    TestUser("user-connection-error", "The connection to the bank fails. In production tried again every hour."),
    TestUser("user-error", "Something unexpected happens. In production tried again every hour."),
)
USERS = {"connect": CONNECTING, "must do something first": ASKED, "cannot connect": FAILING}
PEOPLE = (
    TestUser("one holder", "Consents alone.", "761.092.776-73"),
    TestUser("joint, approved", "Consents; two minutes later the other holders agree.", "238.242.640-30"),
    TestUser("joint, refused", "Consents; two minutes later the other holders refuse.", "051.177.670-55"),
    TestUser("unknown", "Has no account there: a login error.", "529.982.247-25"),
)
