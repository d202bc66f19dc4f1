"""Where the person's page may lead back to: only under what the operator lists, however the address is written."""

import pytest

from pluggy_sync.return_urls import fault_in_listed, is_allowed
from pluggy_sync.settings import SettingsError
from tests.kit.factories import a_settings

LISTED = ("https://loja.example/conta", "https://outra.example", "lojax://", "lojay://abrir/aqui")


@pytest.mark.parametrize(
    "address",
    [
        "https://loja.example/conta",
        "https://loja.example/conta/bancos?item=1#topo",
        "https://LOJA.example:443/conta/",
        "https://outra.example",
        "https://outra.example/",
        "https://outra.example/a/b",
        "https://outra.example?a=b",
        "lojax://conta/bancos?a=1",
        "lojay://abrir/aqui/mais",
    ],
)
def test_what_lies_under_a_listed_address_is_allowed(address):
    assert is_allowed(address, LISTED)


@pytest.mark.parametrize(
    "address",
    [
        "https://loja.example/",
        "https://loja.example/contas",
        "https://loja.example/conta/../admin",
        "https://loja.example/conta/%2e%2e/admin",
        "https://loja.example/conta/%252e%252e/admin",
        "https://loja.example/conta/..%2fadmin",
        "https://loja.example/conta/..%5cadmin",
        "https://loja.example.evil.example/conta",
        "https://loja.example:8443/conta",
        "https://loja.example@evil.example/conta",
        "https://evil.example\\@loja.example/conta",
        "https://evil.example/https://loja.example/conta",
        "https:loja.example/conta",
        "https:///loja.example/conta",
        "//loja.example/conta",
        "/conta",
        "http://loja.example/conta",
        "javascript://loja.example/conta%0aalert(1)",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://loja.example/conta\n",
        "https://loja.example/con\tta",
        " https://loja.example/conta",
        "https://loja.éxample/conta",
        'https://loja.example/conta"onclick="x',
        "https://[loja.example/conta",
        "https://loja.example:x/conta",
        "lojay://abrir/outra",
        "lojaz://abrir",
        "",
        "https://loja.example/conta/" + "x" * 1000,
    ],
)
def test_nothing_else_is_allowed(address):
    assert not is_allowed(address, LISTED)


def test_nothing_is_allowed_while_nothing_is_listed():
    assert not is_allowed("https://loja.example/conta", ())


@pytest.mark.parametrize("address", [*LISTED, "http://127.0.0.1:8000/volta", "http://localhost/"])
def test_addresses_of_a_product_can_be_listed(address):
    assert fault_in_listed(address) is None


@pytest.mark.parametrize(
    "address",
    [
        *("http://loja.example", "loja.example", "https://", "https://loja.example?a=b", "https://loja.example#"),
        *("javascript://x", "data://x", "intent://x", "https://a@loja.example", "https://loja.example/../x"),
        *("file:///etc", "ftp://loja.example"),
    ],
)
def test_what_could_lead_elsewhere_cannot_be_listed(address):
    assert fault_in_listed(address)
    with pytest.raises(SettingsError, match="PRODUCT_RETURN_URLS: Address 2"):
        a_settings(PRODUCT_RETURN_URLS=f"https://loja.example, {address}")
