"""Credentials encrypted for Pluggy's eyes only (Pluggy facts 3.8): RSA-OAEP with SHA-1 over their JSON, in base64."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

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
