"""
Receipts of erasures: what was removed, signed, without a word of whom it was about.

A receipt is a JWS (RFC 7515) that is signed with Ed25519 (RFC 8037). Its key is made when it is first needed. Whoever
has the public keys, which are published as a JWK set, can check it without us. A key that is replaced, or that nobody
can open any more, stays published: receipts that it signed stay good.

Tests: `engine/test_erasure.py`, `webhook_app/api/test_erasures.py`.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from pluggy_sync.encryption import Box
from pluggy_sync.resources import Resources
from pluggy_sync.store import erased, sealed_keys

log = structlog.get_logger(__name__)

_RAW = serialization.Encoding.Raw


def signed(res: Resources, claims: Mapping[str, Any]) -> str:
    """Return *claims* signed with the newest key that can be opened; one is made if there is none."""
    key = _key(res)
    public = _public(key)
    return jwt.encode(dict(claims), key, algorithm="EdDSA", headers={"kid": key_id(public), "typ": "JWT"})


def published(conn: Connection) -> Sequence[Mapping[str, str]]:
    """Return all public keys as JWKs, newest first."""
    return [_jwk(each.public) for each in sealed_keys.of_purpose(conn, sealed_keys.RECEIPTS) if each.public is not None]


def claims_of(receipt: str) -> Mapping[str, Any]:
    """Return what *receipt*, one of ours, says."""
    claims: Mapping[str, Any] = jwt.decode(receipt, options={"verify_signature": False})
    return claims


def replace_key(res: Resources) -> str:
    """Sign with a new key from now on; return its id. Receipts so far stay good."""
    with res.database.begin() as conn:
        stored = sealed_keys.of_purpose(conn, sealed_keys.RECEIPTS)
        key = _add_key(res, conn, after=stored[0].number if stored else 0)
    return key_id(_public(key))


def key_id(public: bytes) -> str:
    """Return the thumbprint of the public key (RFC 7638)."""
    members = {name: value for name, value in _jwk_of(public).items() if name in ("crv", "kty", "x")}
    text = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return _base64(hashlib.sha256(text).digest())


def _key(res: Resources) -> Ed25519PrivateKey:
    box = secret_box(res)
    with res.database.begin() as conn:
        stored = sealed_keys.of_purpose(conn, sealed_keys.RECEIPTS)
        opened = _opened(box, stored)
        if opened is None:
            if stored:
                log.error("erasures.key_lost", keys=len(stored), next="a new key signs; those before stay published")
            _add_key(res, conn, after=stored[0].number if stored else 0)
            # Another process may have been first.
            opened = _opened(box, sealed_keys.of_purpose(conn, sealed_keys.RECEIPTS))
    if opened is None:
        raise LookupError("a key that was made just now cannot be opened")
    return opened


def _opened(box: Box, stored: Sequence[sealed_keys.SealedKey]) -> Ed25519PrivateKey | None:
    for each in stored:
        text = box.open(each.sealed.encode())
        if text is not None:
            return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))
    return None


def _add_key(res: Resources, conn: Connection, *, after: int) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    sealed = secret_box(res).seal(key.private_bytes_raw().hex()).decode()
    sealed_keys.add(conn, sealed_keys.RECEIPTS, after=after, sealed=sealed, public=_public(key), now=res.now())
    return key


def secret_box(res: Resources) -> Box:
    """Return what seals our own keys, and the ids of those who are being erased."""
    return erased.box(res.settings.secret_key, *res.settings.previous_secret_keys)


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(_RAW, serialization.PublicFormat.Raw)


def _jwk(public: bytes) -> Mapping[str, str]:
    return {**_jwk_of(public), "kid": key_id(public)}


def _jwk_of(public: bytes) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": _base64(public), "alg": "EdDSA", "use": "sig"}


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
