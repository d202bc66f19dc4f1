"""
What is done for endpoints and streams at each sweep, besides delivering. What is removed: `engine/pruning.py`.

Tests: `notifications/test_endpoints.py`, `store/test_streams.py`.
"""

from pluggy_sync.notifications import addresses
from pluggy_sync.resources import Resources
from pluggy_sync.store import endpoints, streams


def tidy(res: Resources) -> None:
    """Number the streams, and seal secrets anew that an old key has sealed."""
    with res.database.begin() as conn:
        streams.number(conn)
    if res.settings.previous_secret_keys:
        _seal_anew(res)


def _seal_anew(res: Resources) -> None:
    box = addresses.box(res.settings)
    with res.database.begin() as conn:
        for endpoint in endpoints.all_(conn):
            sealed = {"secret": endpoint.secret, "previous_secret": endpoint.previous_secret}
            anew = {name: box.sealed_anew(value) for name, value in sealed.items() if value is not None}
            changed = {name: value for name, value in anew.items() if value is not None}
            if changed:
                endpoints.change(conn, endpoint.id, **changed)
