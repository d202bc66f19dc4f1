"""What keys and tokens are made with, and what decrypts parameters."""

import os
import threading
from dataclasses import dataclass, field
from functools import cache, cached_property

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_making = threading.Lock()


@dataclass
class Secrets:
    """The secrets of one sandbox. RSA keys take a moment to make, so each is made when it is needed first."""

    signing: bytes = field(default_factory=lambda: os.urandom(32), repr=False)  # of API keys
    sealing: bytes = field(default_factory=lambda: os.urandom(16), repr=False)  # of what a connect token hides
    token_pem: str = field(default="", repr=False)  # "" until there is one
    parameters_pem: str = field(default="", repr=False)

    @cached_property
    def seal(self) -> AESGCM:
        """What hides the private part of a connect token."""
        return AESGCM(self.sealing)

    @cached_property
    def token_key(self) -> rsa.RSAPrivateKey:
        """What signs connect tokens."""
        with _making:
            self.token_pem = self.token_pem or _new_pem()
        return _key(self.token_pem)

    @cached_property
    def parameters_key(self) -> rsa.RSAPrivateKey:
        """What decrypts parameters."""
        with _making:
            self.parameters_pem = self.parameters_pem or _new_pem()
        return _key(self.parameters_pem)


@cache
def of_process() -> Secrets:
    """Return the secrets of every sandbox in this process that was not kept from an earlier one."""
    return Secrets()


def _new_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _key(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("not an RSA key")
    return key
