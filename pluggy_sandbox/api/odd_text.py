"""
Texts as some banks send them: half a surrogate pair, a null character (Pluggy facts 13.18).

The fault `odd_text` puts them into an answer on its way out; what is held stays as it is. The change `odd_text` makes
a transaction that is held so.
"""

from typing import Any

from pluggy_sandbox.wire.encoding import decode_exact, encode

# Free texts of institutions and persons, wherever they stand in an answer.
_FREE = frozenset(
    {
        "description", "descriptionRaw", "name", "marketingName", "owner", "fullName", "companyName", "businessName",
        "reason", "operationTypeAdditionalInfo", "productName", "issuer", "jobTitle", "fullAddress", "message",
        "providerMessage", "instructions", "label", "assistiveText",
    }
)  # fmt: skip


def spoil(body: bytes) -> bytes:
    """Return an answer's JSON with every free text in it broken."""
    return encode(_spoilt(decode_exact(body)))


def _spoilt(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _odd(each) if name in _FREE else _spoilt(each) for name, each in value.items()}
    return [_spoilt(each) for each in value] if isinstance(value, list) else value


def _odd(value: Any) -> Any:
    return f"{value} \ud83d\x00" if isinstance(value, str) else _spoilt(value)
