"""Parameters sent encrypted for the application's public key (Pluggy facts 3.8)."""

import base64

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from pluggy_sandbox.lifecycle.parameters import read
from pluggy_sandbox.state.secrets import Secrets, of_process
from pluggy_sandbox.wire import encoding
from pluggy_sandbox.wire.errors import BadRequestError

# OAEP with SHA-1 on both sides, as the recipe and the Java SDK do.
_PADDING = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - theirs


def parameters(value: object, secrets: Secrets | None = None) -> dict[str, str]:
    """
    Return the credentials in *value*, decrypted if they come as a string; None stands for the process's secrets.

    Raises:
        BadRequestError: they are neither an object nor decrypt to one.
    """
    return read(_decrypted(value, secrets or of_process()) if isinstance(value, str) else value)


def public_key(secrets: Secrets | None = None) -> str:
    """Return the application's public key as PEM; None stands for the secrets of this process."""
    key = (secrets or of_process()).parameters_key
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def _decrypted(text: str, secrets: Secrets) -> object:
    try:
        value: object = encoding.decode(secrets.parameters_key.decrypt(base64.b64decode(text), _PADDING))
    except ValueError:
        raise BadRequestError("parameters could not be decrypted") from None
    return value
