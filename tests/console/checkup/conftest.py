"""What the tests of the checks ask for."""

import dataclasses
from collections.abc import Callable

import pytest

from console.checkup.results import Check, Result, results_of
from pluggy_sync.resources import Resources

# How each result says what it looked at; its verdict and detail.
Said = dict[str, tuple[str, str]]


@pytest.fixture
def said() -> Callable[[Check, Resources], Said]:
    """Run a check, as the doctor does; return verdict and detail by what was looked at. Each fault has a remedy."""

    def said(check: Check, res: Resources) -> Said:
        found = list(results_of(check, "about", res))
        assert all(_is_whole(each) for each in found), found
        return {each.about: (each.verdict.value, each.detail) for each in found}

    return said


def _is_whole(result: Result) -> bool:
    return bool(result.detail) and (result.remedy is not None or result.verdict.value in ("pass", "not seen"))


@pytest.fixture
def with_settings(resources: Resources) -> Callable[..., Resources]:
    """Return the resources with other settings."""
    return lambda **changes: dataclasses.replace(resources, settings=dataclasses.replace(resources.settings, **changes))
