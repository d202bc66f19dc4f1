"""What a token of `/v1` may do. Each scope holds those before it."""

from enum import StrEnum


class Scope(StrEnum):
    """`read` what is stored; `act`: what the product does for its persons every day; `admin`: the service itself."""

    READ = "read"
    ACT = "act"
    ADMIN = "admin"


def allows(given: Scope, needed: Scope) -> bool:
    """Return whether a token with the scope *given* may do what asks for *needed*."""
    order = list(Scope)
    return order.index(given) >= order.index(needed)
