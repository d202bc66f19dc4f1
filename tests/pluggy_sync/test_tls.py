"""One TLS context serves all clients, and it verifies."""

import ssl

from pluggy_sync import tls


def test_the_context_is_made_once_and_verifies_name_and_certificate():
    context = tls.context()

    assert tls.context() is context
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
