"""Scenarios, played to their end."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pluggy_sandbox.cli import main
from pluggy_sandbox.scenarios import player
from tests.pluggy_sandbox.driver import Driver


@pytest.mark.parametrize("name", player.names())
def test_every_scenario_that_comes_along_plays_to_its_end(driver: Driver, name: str) -> None:
    lines = list(player.play(player.read(name), driver.sandbox.url, seed=1))

    spoken = [line for line in player.read(name).splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(spoken)


def test_a_scenario_plays_on_a_sandbox_of_its_own(tmp_path: Path) -> None:
    story = tmp_path / "story.scenario"
    story.write_text("connect user-ok to 2\nexpect UPDATED SUCCESS\n")

    done = CliRunner().invoke(main, ["scenario", "run", str(story)])

    assert done.exit_code == 0, done.output
    assert "as expected" in done.output
