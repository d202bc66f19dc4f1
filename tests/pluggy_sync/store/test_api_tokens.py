"""Tokens that an operator made: only a digest is stored, and a name is free again when its token is revoked."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.rules.scopes import Scope
from pluggy_sync.store import api_tokens, tables
from tests.kit.factories import NOON


def test_of_a_token_only_its_digest_is_stored(database):
    with database.begin() as conn:
        made, text = api_tokens.create(conn, "the wallet", Scope.ACT, now=NOON)
        stored = str(
            conn.execute(sa.select(sa.cast(sa.func.row_to_json(tables.api_tokens.table_valued()), sa.Text))).all()
        )
        assert list(api_tokens.valid(conn)) == [made]

    assert made.digest == api_tokens.digest_of(text)
    assert text not in stored
    assert text.removeprefix(api_tokens.PREFIX) not in stored
    assert len(text) > 40
    assert text not in repr(made)


def test_a_name_is_of_one_valid_token_and_free_again_when_that_is_revoked(database):
    with database.begin() as conn:
        first, _ = api_tokens.create(conn, "the wallet", Scope.ACT, now=NOON)
        with pytest.raises(api_tokens.NameTakenError):
            api_tokens.create(conn, "the wallet", Scope.READ, now=NOON)
        revoked = api_tokens.revoke(conn, "the wallet", now=NOON)
        second, _ = api_tokens.create(conn, "the wallet", Scope.READ, now=NOON)

        assert revoked is not None
        assert (revoked.id, revoked.revoked_at) == (first.id, NOON)
        assert list(api_tokens.valid(conn)) == [second]
        assert {each.id for each in api_tokens.all_(conn)} == {first.id, second.id}
        assert api_tokens.revoke(conn, first.id, now=NOON) is None
        assert api_tokens.revoke(conn, second.id, now=NOON) is not None


def test_the_last_use_is_written_rarely(database):
    used = []
    with database.begin() as conn:
        made, _ = api_tokens.create(conn, "the wallet", Scope.ACT, now=NOON)
        for seconds in (0, 10, 299, 300, 400):
            api_tokens.note_use(conn, made.id, now=NOON + timedelta(seconds=seconds))
            used.append(api_tokens.valid(conn)[0].last_used_at)

    assert [(at - NOON).total_seconds() for at in used] == [0, 0, 0, 300, 300]
