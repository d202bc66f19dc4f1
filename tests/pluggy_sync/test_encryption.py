"""What is encrypted: credentials that only Pluggy can read, and secrets that only we can read."""

import dataclasses

import pytest

from pluggy_sandbox.lifecycle import encrypted
from pluggy_sandbox.state.secrets import of_process
from pluggy_sync.encryption import Box, TooLongError, sealer
from pluggy_sync.pluggy.client import create_client
from pluggy_sync.settings import SettingsError
from tests.kit.factories import a_settings
from tests.kit.service import Service


def test_what_is_sealed_is_what_pluggy_reads():
    seal = sealer(encrypted.public_key())

    sealed = seal({"user": "user-ok", "password": "sênha"})

    assert "user-ok" not in sealed
    assert encrypted.parameters(sealed, of_process()) == {"user": "user-ok", "password": "sênha"}
    assert sealed != seal({"user": "user-ok", "password": "sênha"})


def test_what_does_not_fit_is_refused():
    with pytest.raises(TooLongError):
        sealer(encrypted.public_key())({"password": "x" * 300})


def test_a_key_is_checked_as_the_service_starts():
    joined = encrypted.public_key().replace("\n", "\\n")
    assert a_settings(PLUGGY_PUBLIC_KEY=joined).pluggy_public_key == encrypted.public_key()

    with pytest.raises(SettingsError, match="PLUGGY_PUBLIC_KEY"):
        a_settings(PLUGGY_PUBLIC_KEY="-----BEGIN PUBLIC KEY-----\nnonsense")


def test_with_pluggys_key_credentials_go_out_encrypted(service: Service):
    settings = dataclasses.replace(service.res.settings, pluggy_public_key=encrypted.public_key())
    item_id = service.upstream.connect("user-bad")
    client = create_client(settings, service.res.redis)

    item = client.update_item(item_id, {"user": "user-ok", "password": "password-ok"})
    client.close()

    service.upstream.take_events()
    assert item.status == "UPDATING"
    assert service.upstream.truth(item_id)["item"]["status"] == "UPDATED"


def test_what_is_in_a_box_is_opened_with_its_key_for_its_purpose_and_with_no_other():
    box = Box("a-secret-key", purpose="one")
    sealed = box.seal("schön")

    assert b"sch" not in sealed
    assert sealed != box.seal("schön")
    assert Box("a-secret-key", purpose="one").open(sealed) == "schön"
    assert Box("another-key", purpose="one").open(sealed) is None
    assert Box("a-secret-key", purpose="another").open(sealed) is None


def test_what_was_sealed_with_the_key_before_can_still_be_opened():
    sealed = Box("old", purpose="one").seal("text")

    both = Box("new", "old", purpose="one")

    assert both.open(sealed) == "text"
    assert Box("new", purpose="one").open(both.seal("text")) == "text"


@pytest.mark.parametrize("sealed", [b"", b"text", b"\xff", b"gAAAAA" + b"A" * 100])
def test_what_is_not_sealed_is_not_opened(sealed):
    assert Box("a-secret-key", purpose="one").open(sealed) is None
