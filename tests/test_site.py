"""The documents can be built as a site, and no link in them, or in a README, leads nowhere."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown.extensions.toc import slugify

ROOT = Path(__file__).parents[1]
# Read in the repository, beside what they speak of.
READMES = [ROOT / "README.md", ROOT / "pluggy_sandbox" / "README.md"]

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+?)\s*$", re.MULTILINE)
# What a browser loads by itself.
_LOADED = re.compile(
    r"<(?:script|img|iframe)[^>]+src=[\"']?(https?:[^\"' >]+)|<link[^>]+stylesheet[^>]+(https?:[^\"' >]+)"
)


def build(config, site):
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", config, "--site-dir", site],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT / "mkdocs.yml", folder)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.slow
def test_every_page_is_in_the_site_and_no_link_leads_nowhere(site):
    pages = [page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")]

    assert [str(page) for page in pages if not (site / page).exists()] == []
    assert len(pages) > 30


@pytest.mark.slow
def test_the_site_asks_nothing_of_another_host(site):
    pages = [*site.rglob("*.html")]

    loaded = {link for page in pages for found in _LOADED.findall(page.read_text()) for link in found if link}

    assert loaded == set()
    assert _LOADED.findall('<script src="https://a.example/x.js">')


@pytest.mark.slow
def test_each_link_that_leads_nowhere_is_an_error(tmp_path):
    links = ["nowhere.md", "page.md#no-such-heading", "#no-such-section", "folder"]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A page\n\n" + " ".join(f"[There]({link})" for link in links))
    (tmp_path / "docs" / "page.md").write_text("# Another\n")
    (tmp_path / "mkdocs.yml").write_text(f"INHERIT: {ROOT / 'mkdocs.yml'}\ndocs_dir: docs\n")

    built = build(tmp_path / "mkdocs.yml", tmp_path / "site")

    assert built.returncode == 1
    warnings = [line for line in built.stderr.splitlines() if line.startswith("WARNING")]
    assert {link: sum(f"'{link}'" in line for line in warnings) for link in links} == dict.fromkeys(links, 1)


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_of_a_readme_leads_nowhere(readme):
    assert dead_links(readme) == []


def test_a_dead_link_of_a_readme_is_found(tmp_path):
    (tmp_path / "there.md").write_text("# What `it` is\n\n```\n# no heading\n```\n")
    (tmp_path / "README.md").write_text(
        "# R\n[a](there.md) [b](gone.md) [c](there.md#what-it-is) [d](there.md#no-heading) [e](#r) [f](#s) [g](https://x)"
    )

    assert dead_links(tmp_path / "README.md") == ["gone.md", "there.md#no-heading", "#s"]


def dead_links(page):
    """Return the links of *page* to files that are not there, and to headings that their pages do not have."""
    links = [unquote(link) for link in _LINK.findall(_FENCE.sub("", page.read_text()))]
    return [link for link in links if "://" not in link and not leads_somewhere(page, link)]


def leads_somewhere(page, link):
    path, _, heading = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists():
        return False
    return not heading or heading in headings(target)


def headings(page):
    return [slugify(re.sub(r"[`*]", "", found), "-") for found in _HEADING.findall(_FENCE.sub("", page.read_text()))]
