"""
The texts in each language: our own, with a company's in their place where it has some.

A company's folder holds files as ours, `pt.toml` and `en.toml`, each with the texts that it changes. A file for
another language, such as `es.toml`, must hold them all. What cannot work is found when the texts are read: a name that
we do not have, a `{placeholder}` that nobody fills, a language that is not complete.

Tests: `texts/test_catalogue.py`.
"""

import functools
import re
import string
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

# Banks, and persons, go by this clock.
SAO_PAULO = ZoneInfo("America/Sao_Paulo")

# The languages that every text has. The first is that of whoever prefers none of ours.
OURS = ("pt", "en")

MAX_LENGTH = 500

# Filled in every text: the company's product (see `Product`).
_PRODUCT_PLACEHOLDERS = frozenset({"product", "the_product", "The_product"})


class TextsError(Exception):
    """A company's texts cannot be used. `faults` names the file and the text of each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, kw_only=True)
class Text:
    """A title and a body in one language."""

    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Product:
    """
    The company's product, as persons know it; *name* None: the company has set none.

    *article* is the name's in Portuguese, `a` or `o`; empty: it has none.
    """

    name: str | None = None
    article: str = ""

    @classmethod
    def of(cls, name: str | None, article: str | None) -> "Product":
        """Return the product of the settings; without an *article* it has that of its first word's last letter."""
        if name is None or article == "none":
            return cls(name=name)
        by_ending = "a" if name.split()[0].lower().endswith("a") else "o"
        return cls(name=name, article=article or by_ending)


class Language:
    """The texts of one language, with the company's product in them."""

    def __init__(self, tag: str, texts: Mapping[str, str], product: Product) -> None:
        self.tag = tag
        self._texts = texts
        self._named = product.name is not None
        with_article = product.article and texts["page.article"] == "yes"
        the_product = texts["page.no_name"]
        if product.name is not None:
            the_product = f"{product.article} {product.name}" if with_article else product.name
        self._product = {
            "product": product.name or the_product,
            "the_product": the_product,
            "The_product": the_product[:1].upper() + the_product[1:],
        }

    def page(self, name: str, **values: str) -> str:
        """Return a text of the page. It may have a form of its own for a company without a name."""
        if not self._named and f"page.{name}_no_name" in self._texts:
            name += "_no_name"
        return self._filled(f"page.{name}", values)

    def error(self, code: str, **values: str) -> str:
        """Return what to say about a refusal; a code that is new gets the words of `refused-by-pluggy`."""
        return self._filled(f"error.{code}" if f"error.{code}" in self._texts else "error.refused-by-pluggy", values)

    def action(self, name: str, **values: str) -> Text:
        """Return the title and body of what a person must do."""
        return Text(
            title=self._filled(f"action.{name}.title", values), body=self._filled(f"action.{name}.body", values)
        )

    def date(self, moment: datetime) -> str:
        """Return the day of *moment* in São Paulo, in words."""
        day = moment.astimezone(SAO_PAULO)
        month = self._texts["page.months"].split()[day.month - 1]
        return self._filled("page.date", {"day": str(day.day), "month": month, "year": str(day.year)})

    def time(self, moment: datetime) -> str:
        """Return hour and minute of *moment* in São Paulo."""
        return moment.astimezone(SAO_PAULO).strftime("%H:%M")

    def _filled(self, name: str, values: Mapping[str, str]) -> str:
        return self._texts[name].format_map({**self._product, **values})


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Every language that there is, by its tag."""

    languages: Mapping[str, Language]

    @property
    def pt(self) -> Language:
        return self.languages["pt"]

    @property
    def en(self) -> Language:
        return self.languages["en"]


def read(folder: Path | None = None, product: Product | None = None) -> Texts:
    """
    Return the texts, with those in *folder* in place of our own.

    Raises:
        TextsError: *folder* holds something that cannot be used.
    """
    ours = _ours()
    texts = ours if folder is None else {**ours, **_of_company(folder, ours)}
    return Texts(languages={tag: Language(tag, each, product or Product()) for tag, each in texts.items()})


@functools.cache
def _ours() -> Mapping[str, Mapping[str, str]]:
    """Return our own texts, which are the same as long as the process lives."""
    files = {tag: Path(__file__).with_name(f"{tag}.toml") for tag in OURS}
    return {tag: MappingProxyType(_flat(tomllib.loads(file.read_text()))) for tag, file in files.items()}


def _of_company(folder: Path, ours: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    faults: list[str] = []
    if not folder.is_dir():
        raise TextsError(["There is no such folder."])
    for file in sorted(folder.glob("*.toml")):
        tag = file.stem
        if not re.fullmatch(r"[a-z]{2,3}", tag):
            faults.append(f"{file.name}: is not named by a language, such as pt.toml.")
            continue
        try:
            given = _flat(tomllib.loads(file.read_text()))
        except (OSError, ValueError, TypeError) as exc:
            faults.append(f"{file.name}: cannot be read as TOML texts ({exc}).")
            continue
        found[tag] = {**ours.get(tag, {}), **given}
        faults += [f"{file.name}: {fault}" for fault in _faults(given, found[tag], ours["pt"])]
    if not found and not faults:
        faults.append("Holds no texts: it has no file such as pt.toml.")
    if faults:
        raise TextsError(faults)
    return found


def _flat(value: Any, name: str = "") -> dict[str, str]:
    """Return the texts in nested tables by their dotted names."""
    if isinstance(value, str):
        return {name: value}
    if not isinstance(value, dict):
        raise TypeError(f"{name} is no text")
    flat: dict[str, str] = {}
    for key, each in value.items():
        flat |= _flat(each, f"{name}.{key}" if name else key)
    return flat


def _faults(given: Mapping[str, str], together: Mapping[str, str], known: Mapping[str, str]) -> Iterator[str]:
    for name, text in given.items():
        if name not in known:
            yield f"{name} is not one of our texts."
            continue
        if not text.strip() or len(text) > MAX_LENGTH:
            yield f"{name} must have 1 to {MAX_LENGTH} characters."
        try:
            unknown = _placeholders(text) - _placeholders(known[name]) - _PRODUCT_PLACEHOLDERS
        except ValueError:
            yield f"{name} has a brace that is neither doubled nor part of a placeholder."
            continue
        if unknown:
            yield f"{name} has {{{min(unknown)}}}, which nothing fills."
    missing = sorted(known.keys() - together.keys())
    if missing:
        yield f"lacks {len(missing)} texts, the first is {missing[0]}."
    if len(together.get("page.months", known["page.months"]).split()) != 12:
        yield "page.months must be 12 words."


def _placeholders(text: str) -> set[str]:
    """
    Return the names in braces.

    Raises:
        ValueError: a brace is open, or holds more than a name.
    """
    found = set()
    for _, name, form, conversion in string.Formatter().parse(text):
        if name is None:
            continue
        if form or conversion or not name.isidentifier():
            raise ValueError
        found.add(name)
    return found
