"""What a caller does about each code: one text for `docs/errors.md` and for the page to which `type` leads."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from webhook_app import problem_pages, problems

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"


def test_each_code_has_advice_and_no_advice_is_about_another():
    assert problem_pages.ADVICE.keys() == problems.STATUS_OF_CODE.keys()


def test_the_page_of_the_documentation_is_the_one_made_from_the_table():
    """If this fails: `python -m webhook_app.problem_pages > docs/errors.md`."""
    assert PAGE.read_text() == problem_pages.as_markdown()


@pytest.mark.parametrize("code", sorted(problems.STATUS_OF_CODE))
def test_the_type_of_a_problem_is_the_address_of_its_paragraph(web: FlaskClient, code: str):
    address, _, anchor = problems.address_of(code).partition("#")

    page = web.get(address)

    assert page.status_code == 200
    assert len(re.findall(f"id={re.escape(anchor)}[ >]", page.text)) == 1
    assert f"## {anchor}\n" in PAGE.read_text()


def test_the_page_needs_no_token_and_loads_nothing(web: FlaskClient):
    page = web.get("/v1/docs/errors")

    assert page.mimetype == "text/html"
    assert "src=" not in page.text
    assert "<link" not in page.text
