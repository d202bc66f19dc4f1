"""
What axe finds on a page in Chromium.

Most of what it looks at, names and structure, is the same in every theme. `COLORS` are the rules that are not.
"""

from typing import Any

import pytest

STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WCAG = {"type": "tag", "values": STANDARD}
ALL = {"type": "tag", "values": [*STANDARD, "best-practice"]}
COLORS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}


def faults(page: Any, rules: dict[str, Any] = ALL) -> list[str]:
    """Return a line for each of *rules* that is broken on *page*: its id, and the first elements that break it."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe.AXE_SCRIPT)
    # Of what is not broken it makes no list, which would take as long as finding it.
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    found = page.evaluate("async (options) => (await axe.run(options)).violations", options)
    return [f"{each['id']}: {[node['html'] for node in each['nodes']][:3]}" for each in found]
