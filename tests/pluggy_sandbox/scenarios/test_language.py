"""What the lines of a scenario do."""

import pytest

from pluggy_sandbox.scenarios import player
from pluggy_sandbox.scenarios.language import ScenarioError
from tests.pluggy_sandbox.driver import Driver


@pytest.mark.parametrize(
    "text,problem",
    [
        ("dance", "unknown verb"),
        ("run", "nothing is connected"),
        ("connect user-bad to 2\nexpect UPDATED", "line 2: .*it is LOGIN_ERROR"),
        ("connect user-ok to 2\nchange nonsense", "kind must be one of"),
    ],
)
def test_a_scenario_that_cannot_go_on_names_its_line(driver: Driver, text: str, problem: str) -> None:
    with pytest.raises(ScenarioError, match=problem):
        list(player.play(text, driver.sandbox.url, seed=1))
