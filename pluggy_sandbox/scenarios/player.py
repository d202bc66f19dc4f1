"""Finding a scenario and playing it, on a sandbox of its own or on one that runs already."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import httpx

from pluggy_sandbox.scenarios.language import ScenarioError, Stage
from pluggy_sandbox.testing import running_sandbox

_SUFFIX = ".scenario"


def names() -> list[str]:
    """Return the scenarios that come with the sandbox."""
    files = resources.files("pluggy_sandbox.scenarios").iterdir()
    return sorted(f.name.removesuffix(_SUFFIX) for f in files if f.name.endswith(_SUFFIX))


def read(name_or_path: str) -> str:
    """
    Return a scenario's text.

    Raises:
        ScenarioError: there is neither a scenario nor a file of this name.
    """
    if name_or_path in names():
        return resources.files("pluggy_sandbox.scenarios").joinpath(name_or_path + _SUFFIX).read_text("utf-8")
    path = Path(name_or_path)
    if not path.is_file():
        raise ScenarioError(f"no scenario called {name_or_path}; there are {', '.join(names())}")
    return path.read_text("utf-8")


def play(text: str, url: str | None, seed: int) -> Iterator[str]:
    """Yield what each line brought; *url* is a running sandbox, None for one of its own."""
    with _control(url, seed) as control:
        yield from Stage(control).play(text)


@contextmanager
def _control(url: str | None, seed: int) -> Iterator[httpx.Client]:
    if url is None:
        with running_sandbox(seed) as sandbox:
            yield sandbox.control
    else:
        with httpx.Client(base_url=f"{url.rstrip('/')}/_sandbox", timeout=120, trust_env=False) as control:
            yield control
