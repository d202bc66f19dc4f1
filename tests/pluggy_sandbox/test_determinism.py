"""The same seed tells the same story, byte for byte; another seed tells another one."""

import httpx

from pluggy_sandbox.testing import running_sandbox
from tests.pluggy_sandbox.conftest import START
from tests.pluggy_sandbox.driver import Driver

KINDS = ("add", "pending", "post_new_id", "post_same_id", "edit", "remove", "backdate")


def history(seed: int) -> list[bytes]:
    """Return everything that a story of several items leaves behind."""
    with (
        running_sandbox(seed, start=START, run_seconds=0.01, mode="production") as sandbox,
        httpx.Client(base_url=sandbox.url, timeout=30, trust_env=False) as api,
    ):
        driver = Driver(sandbox, api)
        driver.sign_in()
        driver.register("http://127.0.0.1:1/hook")
        driver.faults(deliveries={"loss": 1})
        ids = [driver.connect(clientUserId="u1"), driver.connect("user-bad"), driver.connect(connector=5)]
        driver.mfa(ids[2], token="123456")
        for _ in range(3):
            driver.advance(days=1)
            driver.evolve(ids[0], *({"kind": kind} for kind in KINDS))
            driver.run(ids[0])
        truths = [driver.control.get(f"/items/{i}/truth").content for i in ids]
        payloads = sorted(repr(d["payload"]) for d in driver.deliveries())
        here = sandbox.url.encode()
        return [text.replace(here, b"") for text in (*truths, *(p.encode() for p in payloads))]


def test_the_same_seed_tells_the_same_story_and_another_seed_another_one() -> None:
    first, second, other = history(3), history(3), history(4)

    assert first == second
    assert not set(first) & set(other)
