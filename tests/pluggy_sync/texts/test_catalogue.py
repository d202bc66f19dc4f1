"""All texts in one place: both languages have the same, a company's take their place, and bad ones are refused."""

import string
from pathlib import Path

import pytest

from pluggy_sync.rules import refusals
from pluggy_sync.settings import SettingsError
from pluggy_sync.texts import catalogue
from pluggy_sync.texts.catalogue import Product, TextsError
from tests.kit.factories import a_settings


def flat(tag):
    return catalogue.read().languages[tag]._texts


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_texts_with_the_same_placeholders():
    pt, en = flat("pt"), flat("en")

    assert pt.keys() == en.keys()
    assert [name for name in pt if placeholders(pt[name]) != placeholders(en[name])] == []
    assert len(pt) > 100


def test_every_refusal_has_words_of_its_own():
    for language in catalogue.read().languages.values():
        other = language.error("refused-by-pluggy")
        silent = [
            code for code in refusals.STATUS_OF_CODE if code != refusals.REFUSED and language.error(code) == other
        ]

        assert silent == []
        assert language.error("a-code-that-is-new") == other


@pytest.mark.parametrize(
    "name, article, back",
    [
        ("Loja X", None, "Voltar para a Loja X"),
        ("Nubanco", None, "Voltar para o Nubanco"),
        ("Conta Certa", None, "Voltar para a Conta Certa"),
        ("Aurora", "o", "Voltar para o Aurora"),
        ("Loja X", "none", "Voltar para Loja X"),
        (None, None, "Voltar para o aplicativo"),
    ],
)
def test_the_product_is_named_with_its_article(name, article, back):
    texts = catalogue.read(product=Product.of(name, article))

    assert texts.pt.page("back") == back
    assert texts.en.page("back") == (f"Back to {name}" if name else "Back to the app")


def test_a_sentence_that_begins_with_the_product_begins_with_a_capital():
    assert catalogue.read(product=Product.of("Loja X", None)).pt.page("asked_by").startswith("A Loja X pediu ")
    assert catalogue.read().pt.page("asked_by").startswith("O aplicativo em que você conectou")


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder


def test_a_companys_texts_take_the_place_of_ours(tmp_path):
    write(
        tmp_path,
        "pt.toml",
        '[page]\nsend = "Mandar para {the_product}"\n[action.USER_INPUT_TIMEOUT]\ntitle = "Acabou"\n',
    )

    texts = catalogue.read(tmp_path, Product.of("Loja X", None))

    assert texts.pt.page("send") == "Mandar para a Loja X"
    assert texts.pt.action("USER_INPUT_TIMEOUT").title == "Acabou"
    assert texts.pt.page("start") == catalogue.read().pt.page("start")
    assert texts.en.page("send") == "Send"


def test_another_language_must_be_complete(tmp_path):
    ours = Path(catalogue.__file__).with_name("en.toml").read_text()
    write(tmp_path, "es.toml", ours.replace('send = "Send"', 'send = "Enviar"'))

    assert catalogue.read(tmp_path).languages["es"].page("send") == "Enviar"
    write(tmp_path, "es.toml", '[page]\nsend = "Enviar"\n')
    with pytest.raises(TextsError, match=r"es\.toml: lacks"):
        catalogue.read(tmp_path)


@pytest.mark.parametrize(
    "name, text, fault",
    [
        ("pt.toml", '[page]\nsned = "x"', "page.sned is not one of our texts"),
        ("pt.toml", '[page]\nsend = "{bank}"', "page.send has {bank}, which nothing fills"),
        ("pt.toml", '[page]\nsend = "{product.__class__}"', "page.send has a brace"),
        ("pt.toml", '[page]\nsend = "{product!r:>999999}"', "page.send has a brace"),
        ("pt.toml", '[page]\nsend = "{"', "page.send has a brace"),
        ("pt.toml", '[page]\nsend = " "', "page.send must have"),
        ("pt.toml", "[page]\nsend = 5", "cannot be read"),
        ("pt.toml", "not toml", "cannot be read"),
        ("pt.toml", '[page]\nmonths = "janeiro"', "page.months must be 12 words"),
        ("portuguese.toml", "", "is not named by a language"),
        ("texts.txt", "", "Holds no texts"),
    ],
)
def test_texts_that_cannot_be_used_are_refused_at_the_start(tmp_path, name, text, fault):
    write(tmp_path, name, text)

    with pytest.raises(SettingsError) as caught:
        a_settings(PRODUCT_TEXTS_FOLDER=str(tmp_path))
    assert "PRODUCT_TEXTS_FOLDER" in str(caught.value)
    assert fault in str(caught.value)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no such folder"):
        a_settings(PRODUCT_TEXTS_FOLDER=str(tmp_path / "nowhere"))


def test_a_text_in_markup_is_kept_as_text(tmp_path):
    write(tmp_path, "pt.toml", "[page]\nsend = '<b>{the_product}</b>'")

    assert catalogue.read(tmp_path, Product.of("<i>", "o")).pt.page("send") == "<b>o <i></b>"
