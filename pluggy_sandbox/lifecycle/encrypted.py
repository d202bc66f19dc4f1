"""Parameters sent encrypted for the application's public key (Pluggy facts 3.8)."""

import base64
from functools import cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from pluggy_sandbox.lifecycle.parameters import read
from pluggy_sandbox.wire import encoding
from pluggy_sandbox.wire.errors import BadRequestError

# OAEP with SHA-1 on both sides, as the recipe and the Java SDK do.
_PADDING = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - theirs


def parameters(value: object) -> dict[str, str]:
    """
    Return the credentials in *value*, decrypted if they come as a string.

    Raises:
        BadRequestError: they are neither an object nor decrypt to one.
    """
    return read(_decrypted(value) if isinstance(value, str) else value)


def public_key() -> str:
    """Return the application's public key as PEM."""
    pem = _key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def _decrypted(text: str) -> object:
    try:
        value: object = encoding.decode(_key().decrypt(base64.b64decode(text), _PADDING))
    except ValueError:
        raise BadRequestError("parameters could not be decrypted") from None
    return value


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
