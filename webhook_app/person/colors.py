"""
The company's colour as the page uses it: every text and line stays readable, light and dark, whatever the colour.

Contrast is that of WCAG 2.1: 4.5 between a text and what is behind it, 3 for a line. Buttons keep the very colour, with
black or white on it, of which one always has 4.5. Lines, the focus ring among them, are darkened or lightened until
they show on the page's ground and card.

Tests: `webhook_app/person/test_colors.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Rgb = tuple[float, float, float]

TEXT_CONTRAST = 4.5
LINE_CONTRAST = 3.0

# Ground, card and quiet boxes of act.css.
LIGHT = ("#f3f4f8", "#ffffff", "#e8eaf2")
DARK = ("#10131b", "#1a1f2b", "#272d3b")


@dataclass(frozen=True, kw_only=True)
class Shades:
    """What one theme uses: the colour, the text on it, and the same colour for lines."""

    accent: str
    on_accent: str
    line: str

    def as_css(self) -> str:
        """Return the custom properties of act.css."""
        return f"--accent:{self.accent};--accent-text:{self.on_accent};--accent-line:{self.line}"


def stylesheet(color: str) -> str:
    """Return the style sheet that puts *color*, such as `#1a7f5a`, in the place of our own."""
    light, dark = shades(color, LIGHT), shades(color, DARK)
    return f":root{{{light.as_css()}}}\n@media (prefers-color-scheme: dark){{:root{{{dark.as_css()}}}}}\n"


def shades(color: str, behind: Sequence[str]) -> Shades:
    """Return the shades of *color* for a theme that puts them on the colours *behind*."""
    white, black = "#ffffff", "#000000"
    on_accent = white if contrast(color, white) >= TEXT_CONTRAST else black
    towards = black if luminance(behind[0]) > luminance("#777777") else white
    return Shades(accent=color.lower(), on_accent=on_accent, line=_readable(color, towards, behind))


def _readable(color: str, towards: str, behind: Sequence[str]) -> str:
    """Return *color*, mixed with as little of *towards* as makes it show on all of *behind*."""
    for percent in range(0, 101, 2):
        mixed = _mix(color, towards, percent / 100)
        if all(contrast(mixed, each) >= LINE_CONTRAST for each in behind):
            return mixed
    return towards


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours: 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: str) -> float:
    """Return the relative luminance of WCAG: 0 to 1."""
    red, green, blue = (_linear(part) for part in _rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _rgb(color: str) -> Rgb:
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _mix(color: str, other: str, share: float) -> str:
    parts = zip(_rgb(color), _rgb(other), strict=True)
    return "#" + "".join(f"{round(255 * (one * (1 - share) + two * share)):02x}" for one, two in parts)
