"""What a bank customer reads: plain words in Portuguese and English, no codes."""

from dataclasses import dataclass

from pluggy_sync.rules.statuses import WAITING_USER_ACTION, WAITING_USER_INPUT


@dataclass(frozen=True, kw_only=True)
class Text:
    """A title and a body in one language."""

    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Texts:
    """The same words in both languages."""

    pt: Text
    en: Text


def _texts(pt_title: str, pt_body: str, en_title: str, en_body: str) -> Texts:
    return Texts(pt=Text(title=pt_title, body=pt_body), en=Text(title=en_title, body=en_body))


_BY_REASON = {
    WAITING_USER_INPUT: _texts(
        "Seu banco pediu um código",
        "Para atualizar sua conta, informe o código que o banco pediu. Ele vale por pouco tempo.",
        "Your bank asked for a code",
        "To update your account, enter the code that the bank asked for. It is valid for a short time.",
    ),
    WAITING_USER_ACTION: _texts(
        "Seu banco pediu uma confirmação",
        "Confirme o acesso no aplicativo ou na página do banco para atualizarmos sua conta.",
        "Your bank asked for a confirmation",
        "Confirm the access in your bank's app or page so that your account can be updated.",
    ),
    "INVALID_CREDENTIALS": _texts(
        "Confira seus dados de acesso",
        "O banco não aceitou o usuário ou a senha. Informe-os de novo para continuarmos atualizando sua conta.",
        "Check your sign-in details",
        "The bank did not accept the user or the password. Enter them again so that your account stays up to date.",
    ),
    "INVALID_CREDENTIALS_MFA": _texts(
        "O código não foi aceito",
        "O banco não aceitou o código informado. Peça um código novo e tente outra vez.",
        "The code was not accepted",
        "The bank did not accept the code. Get a new one and try again.",
    ),
    "USER_INPUT_TIMEOUT": _texts(
        "O tempo para informar o código acabou",
        "O código não chegou a tempo. Comece a atualização de novo para receber outro.",
        "The time to enter the code is over",
        "The code did not arrive in time. Start the update again to get another one.",
    ),
    "USER_AUTHORIZATION_NOT_GRANTED": _texts(
        "Falta sua autorização",
        "O banco ainda não tem sua autorização para compartilhar os dados. Autorize para continuarmos.",
        "Your authorisation is missing",
        "The bank does not have your authorisation to share the data yet. Authorise it to go on.",
    ),
    "USER_AUTHORIZATION_REVOKED": _texts(
        "Sua autorização terminou",
        "A autorização para compartilhar seus dados foi retirada no banco. Renove-a para continuarmos.",
        "Your authorisation has ended",
        "The authorisation to share your data was withdrawn at the bank. Renew it to go on.",
    ),
    "CONSENT_EXPIRING": _texts(
        "Sua autorização está perto do fim",
        "A autorização para compartilhar os dados desta conta termina em breve. Renove-a para não interromper.",
        "Your authorisation ends soon",
        "The authorisation to share the data of this account ends soon. Renew it so that updates do not stop.",
    ),
    "UPDATE_NEEDS_PERSON": _texts(
        "Seu banco pede um código para atualizar",
        "Este banco quer um código seu a cada atualização. Com ele, sua conta é atualizada agora.",
        "Your bank wants a code to update",
        "This bank wants a code of yours at each update. With it, your account is updated now.",
    ),
    "USER_AUTHORIZATION_PENDING": _texts(
        "Aprove o acesso no seu banco",
        "Falta aprovar o acesso no aplicativo do banco ou por outro titular. Depois disso a atualização segue sozinha.",
        "Approve the access at your bank",
        "Approve the access in the bank's app, or ask the other holder to. After that the update goes on by itself.",
    ),
    "ACCOUNT_LOCKED": _texts(
        "Seu acesso ao banco está bloqueado",
        "Fale com seu banco para desbloquear o acesso. Depois disso sua conta volta a ser atualizada.",
        "Your access to the bank is locked",
        "Contact your bank to unlock it. After that your account can be updated again.",
    ),
    "ACCOUNT_CREDENTIALS_RESET": _texts(
        "O banco pediu uma senha nova",
        "Crie uma senha nova no aplicativo ou na página do banco e depois informe-a aqui.",
        "The bank wants a new password",
        "Set a new password in the bank's app or page, then enter it here.",
    ),
    "ACCOUNT_NEEDS_ACTION": _texts(
        "Há algo a fazer no seu banco",
        "Abra o aplicativo do banco e conclua o que ele pede. Depois disso atualizaremos sua conta.",
        "There is something to do at your bank",
        "Open the bank's app and finish what it asks for. After that your account will be updated.",
    ),
    "USER_NOT_SUPPORTED": _texts(
        "Este acesso não permite a conexão",
        "Seu perfil no banco não tem acesso a este canal. Fale com o banco ou conecte outra conta.",
        "This access cannot be connected",
        "Your profile at the bank has no access to this channel. Contact the bank or connect another account.",
    ),
}

_CHOICE = _texts(
    "Seu banco pediu uma escolha",
    "Para atualizar sua conta, escolha uma das opções que o banco oferece. Elas valem por pouco tempo.",
    "Your bank asked you to choose",
    "To update your account, choose one of the options that the bank offers. They are valid for a short time.",
)

# One code can ask for different things.
_BY_KIND_AND_REASON = {
    # Open Finance by API: the question is an address of the bank (Pluggy facts 8).
    ("authorize", WAITING_USER_INPUT): _texts(
        "Autorize no seu banco",
        "Para atualizar sua conta, entre no seu banco e autorize o compartilhamento dos dados.",
        "Give your authorisation at your bank",
        "To update your account, sign in at your bank and authorise it to share your data.",
    ),
}

_BY_KIND = {
    "mfa": _BY_REASON[WAITING_USER_INPUT],
    "authorize": _BY_REASON[WAITING_USER_ACTION],
    "credentials": _BY_REASON["INVALID_CREDENTIALS"],
    "consent": _BY_REASON["USER_AUTHORIZATION_REVOKED"],
    "bank": _BY_REASON["ACCOUNT_NEEDS_ACTION"],
}


def texts_of(kind: str, reason: str, *, asked: str | None = None) -> Texts:
    """
    Return the words for an action of *kind*; a reason that is new to us gets those of its kind.

    *asked*: the type of the parameter that the bank asks for, None when it asks for none.
    """
    if reason == WAITING_USER_INPUT and asked == "select":
        return _CHOICE
    return _BY_KIND_AND_REASON.get((kind, reason)) or _BY_REASON.get(reason) or _BY_KIND[kind]
