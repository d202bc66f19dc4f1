"""The category that the application chose for a transaction, which is stronger than the bank's."""

from datetime import datetime

from pluggy_sandbox.catalogue.categories import CATEGORIES
from pluggy_sandbox.wire.encoding import decode_exact, encode
from pluggy_sandbox.wire.instants import iso


def with_category(written: bytes, category_id: str, *, updated_at: datetime | None = None) -> bytes:
    """Return a written transaction in another category; *updated_at*, if given, is when it was last changed."""
    view = decode_exact(written)
    view |= {"category": CATEGORIES[category_id].description, "categoryId": category_id}
    if updated_at is not None:
        view["updatedAt"] = iso(updated_at)
    return encode(view)
