"""What an execution may ask of the person (Pluggy facts 3.5, 7.3)."""

from pluggy_sandbox.catalogue.captcha import picture
from pluggy_sandbox.catalogue.logins import GOOD_MFA
from pluggy_sandbox.wire.encoding import Json

WRONG_CHOICE = "654321"

QUESTIONS: dict[str, Json] = {
    "token": {
        "name": "token",
        "label": "Token",
        "type": "number",
        "assistiveText": "Digite o código de 6 dígitos enviado pelo banco",
        "validation": "^[0-9]{6}$",
        "validationMessage": "O código tem 6 dígitos",
    },
    "image": {
        "name": "token",
        "label": "Código da imagem",
        "type": "image",
        "assistiveText": "Digite os números da imagem",
        "data": picture(GOOD_MFA),
    },
    "select": {
        "name": "token",
        "label": "Escolha",
        "type": "select",
        "assistiveText": "Escolha o código que o banco mostrou",
        "options": [{"value": "123456", "label": "123456"}, {"value": WRONG_CHOICE, "label": "654321"}],
    },
    "phone": {
        "name": "phone",
        "label": "Telefone",
        "type": "select",
        "assistiveText": "Para qual telefone enviamos o código?",
        "options": [
            {"value": "0", "label": "+55 11 9****-1234"},
            {"value": "1", "label": "+55 11 9****-5678"},
        ],
    },
    "company": {
        "name": "company",
        "label": "Empresa",
        "type": "select",
        "assistiveText": "Qual empresa deseja conectar?",
        "options": [
            {"value": "0", "label": "Padaria Estrela Ltda"},
            {"value": "1", "label": "Estrela Participações SA"},
        ],
    },
}


def choices(kind: str) -> list[str]:
    """Return the values that a question offers, none where it is free."""
    return [option["value"] for option in QUESTIONS[kind].get("options", [])]
