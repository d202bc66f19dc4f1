"""Whatever colour a company has, every text and every line of the page can be seen, light and dark."""

import itertools

import pytest

from webhook_app.person.colors import DARK, LIGHT, contrast, shades, stylesheet

STEPS = ("00", "33", "66", "99", "cc", "ff")
COLORS = ["#" + "".join(parts) for parts in itertools.product(STEPS, repeat=3)] + ["#767676", "#777777", "#ffd400"]


@pytest.mark.parametrize("behind", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_can_be_read_and_seen(behind):
    for color in COLORS:
        found = shades(color, behind)

        assert found.accent == color
        assert contrast(found.on_accent, color) >= 4.5, color
        assert min(contrast(found.line, each) for each in behind) >= 3, color


def test_a_colour_that_shows_is_not_changed():
    assert shades("#1a5fb4", LIGHT).line == "#1a5fb4"
    assert shades("#99c1f1", DARK).line == "#99c1f1"


@pytest.mark.parametrize("one, other, known", [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48)])
def test_contrast_is_that_of_wcag(one, other, known):
    assert contrast(one, other) == pytest.approx(known, abs=0.01)


def test_the_style_sheet_has_both_themes():
    sheet = stylesheet("#FFD400")

    assert sheet.startswith(":root{--accent:#ffd400;--accent-text:#000000;--accent-line:#")
    assert "@media (prefers-color-scheme: dark){:root{" in sheet
