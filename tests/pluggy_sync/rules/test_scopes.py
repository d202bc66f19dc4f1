"""What a token may do."""

import pytest

from pluggy_sync.rules.scopes import Scope, allows


@pytest.mark.parametrize("given, may", [("read", {"read"}), ("act", {"read", "act"}), ("admin", {*Scope})])
def test_a_scope_holds_those_before_it_and_no_other(given, may):
    assert {needed for needed in Scope if allows(Scope(given), needed)} == may
