"""
What is encrypted.

Credentials, which only Pluggy can read (Pluggy facts 3.8): RSA-OAEP with SHA-1 over their JSON, in base64. Secrets
that we keep outside of Postgres or beside other data, which only we can read: Fernet with a key of `SECRET_KEY`.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pluggy_sync import wire

Sealer = Callable[[Mapping[str, Any]], str]

# What Pluggy's recipe asks for; OAEP does not depend on the hash being free of collisions.
_PADDING = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - theirs


class TooLongError(ValueError):
    """The credentials are longer than the key can take."""


def sealer(public_key_pem: str) -> Sealer:
    """
    Return a function that encrypts parameters for *public_key_pem*.

    Raises:
        ValueError: it is not an RSA public key in PEM.
    """
    key = serialization.load_pem_public_key(public_key_pem.encode())
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 - it is about the text that was given
    room = key.key_size // 8 - 2 * hashes.SHA1.digest_size - 2

    def seal(parameters: Mapping[str, Any]) -> str:
        text = wire.encode(dict(parameters))
        if len(text) > room:
            raise TooLongError("too long for the key")
        return base64.b64encode(key.encrypt(text, _PADDING)).decode()

    return seal


class Box:
    """Seals texts for one *purpose*. A text that was sealed for another purpose cannot be opened."""

    def __init__(self, *secret_keys: str, purpose: str) -> None:
        """Seal with the first of *secret_keys*, and open what any of them has sealed."""
        keys = [Fernet(derived_key(each, purpose)) for each in secret_keys]
        self._first, self._fernet = keys[0], MultiFernet(keys)

    def seal(self, text: str) -> bytes:
        """Return *text* encrypted, in characters of base64."""
        return self.seal_bytes(text.encode())

    def seal_bytes(self, content: bytes) -> bytes:
        """Return *content* encrypted, in characters of base64."""
        return self._fernet.encrypt(content)

    def open(self, sealed: bytes) -> str | None:
        """Return the text in *sealed*; None if it was not sealed for this purpose with one of the keys."""
        content = self.open_bytes(sealed)
        return None if content is None else content.decode()

    def open_bytes(self, sealed: bytes) -> bytes | None:
        """Return what `seal_bytes` sealed; None as `open`."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            return None

    def sealed_anew(self, sealed: str) -> str | None:
        """Return the text in *sealed* sealed with the first key; None: it is already, or no key can open it."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            opened = self.open(sealed.encode())
            return None if opened is None else self.seal(opened).decode()
        return None


def derived_key(secret_key: str, purpose: str) -> bytes:
    """Return the key of *purpose*: 32 bytes, in characters of base64."""
    # SECRET_KEY is long and random: a slow derivation would add nothing.
    hkdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"pluggy-sync:" + purpose.encode())
    return base64.urlsafe_b64encode(hkdf.derive(secret_key.encode()))
