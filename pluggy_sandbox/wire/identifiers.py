"""Identifiers that follow from the seed: the same story told twice has the same ids."""

import hashlib
import random
import uuid


class Identifiers:
    """Names things after what they are, under one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.counters: dict[str, int] = {}  # how many of a kind there were

    def of(self, *parts: object) -> str:
        """Return the UUID of the thing that *parts* describe."""
        digest = hashlib.blake2b(self._text(parts), digest_size=16).digest()
        return str(uuid.UUID(bytes=digest, version=4))

    def next(self, kind: str) -> str:
        """Return the UUID of the next thing of *kind*."""
        number = self.counters.get(kind, 0) + 1
        self.counters[kind] = number
        return self.of(kind, number)

    def chance(self, *parts: object) -> random.Random:
        """Return the dice of the thing that *parts* describe."""
        return random.Random(self._text(parts))

    def _text(self, parts: tuple[object, ...]) -> bytes:
        return "|".join(map(str, (self.seed, *parts))).encode()
