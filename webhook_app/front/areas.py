"""The areas of the service: which addresses share threads, and what one request may cost there."""

from dataclasses import dataclass

from pluggy_sync.settings import Settings

KIB = 1024


@dataclass(frozen=True, kw_only=True)
class Area:
    """
    Addresses that share threads.

    `body_s` is for the whole body, `answer_s` for everything, from the request's head to the answer, both in seconds.
    At most `waiting` requests wait for a thread; `same_path`, if given, is how many requests of one address are taken
    at once. `too_slow` is the status for a body that was not complete in time.
    """

    name: str
    prefixes: tuple[str, ...]
    threads: int
    waiting: int
    body_bytes: int
    body_s: float
    answer_s: float
    same_path: int | None = None
    too_slow: int = 408

    def holds(self, path: str) -> bool:
        """Return whether *path* lies here."""
        return path.startswith(self.prefixes)


# The names of the areas whose answers have Pluggy's form.
PLUGGY_SIGN_IN = "pluggy sign-in"
PLUGGY = "pluggy"

# How much all unanswered requests of one process together may have sent.
BUFFERED_BYTES = 64 * 1024 * KIB

# Streams, of every area together: how many, how long a client may take for one part, and for all.
STREAMS = 4
STREAM_PART_S = 10.0
STREAM_S = 600.0

API_BODY_BYTES = 64 * KIB
PERSON_BODY_BYTES = 16 * KIB
# A name and a token: anybody may send them.
SIGN_IN_BODY_BYTES = 4 * KIB


def areas(settings: Settings) -> tuple[Area, ...]:
    """Return the areas. A path is in the first area that holds it."""
    return (
        # Pluggy waits 5 seconds (Pluggy facts 2.5).
        Area(
            name="webhooks",
            prefixes=("/webhooks/",),
            threads=8,
            waiting=1000,
            body_bytes=settings.webhook_max_bytes,
            body_s=2.5,
            answer_s=4,
            # After 503 Pluggy tries again. Nobody knows whether it does after 408.
            too_slow=503,
        ),
        Area(
            name="person",
            prefixes=("/act/",),
            threads=4,
            waiting=100,
            body_bytes=PERSON_BODY_BYTES,
            body_s=10,
            answer_s=30,
            # A page, its stream and a button in two tabs.
            same_path=6,
        ),
        Area(
            name="api",
            prefixes=("/v1/",),
            threads=4,
            waiting=100,
            body_bytes=API_BODY_BYTES,
            body_s=5,
            answer_s=30,
        ),
        Area(
            name=PLUGGY_SIGN_IN,
            prefixes=("/pluggy/auth",),
            threads=1,
            waiting=20,
            body_bytes=SIGN_IN_BODY_BYTES,
            body_s=5,
            answer_s=10,
        ),
        Area(
            name=PLUGGY,
            prefixes=("/pluggy/",),
            threads=4,
            waiting=100,
            body_bytes=API_BODY_BYTES,
            body_s=5,
            answer_s=30,
        ),
        # An orchestrator kills a process that does not answer this. Nothing else shares its thread.
        Area(name="health", prefixes=("/health",), threads=1, waiting=20, body_bytes=0, body_s=1, answer_s=5),
        Area(name="files", prefixes=("/act-files/",), threads=2, waiting=100, body_bytes=0, body_s=1, answer_s=10),
        # Readiness, metrics, and whatever does not exist.
        Area(name="other", prefixes=("/",), threads=2, waiting=20, body_bytes=0, body_s=1, answer_s=10),
    )


def threads(settings: Settings) -> int:
    """Return how many threads of one process may need a connection to Postgres at once."""
    return sum(area.threads for area in areas(settings)) + STREAMS
