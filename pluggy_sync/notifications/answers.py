"""
What an endpoint answered, as an operator is shown it.

Tests: `notifications/test_endpoints.py`.
"""

import re

from pluggy_sync.product_client import Answer

CHARACTERS = 500
# Control characters, and what changes the direction or the width of the text around it.
_UNCLEAN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+")


def beginning(answer: Answer) -> str | None:
    """Return how the body begins, on one line; None: it is empty. A body that is packed is not unpacked."""
    if not answer.body:
        return None
    if answer.is_packed:
        return f"(packed, {len(answer.body)} bytes read)"
    return _UNCLEAN.sub(" ", answer.body.decode(errors="replace")).strip()[:CHARACTERS] or None
