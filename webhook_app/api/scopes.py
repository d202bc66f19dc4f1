"""
Which scope each operation of `/v1` asks of a token: the one place that says it.

An operation that is not named here asks for `admin`, and a test fails until it is named.

Tests: `api/test_scopes.py`.
"""

from collections.abc import Mapping

from pluggy_sync.rules.scopes import Scope

_OPERATIONS: Mapping[Scope, tuple[str, ...]] = {
    # What is stored. Nothing changes by it.
    Scope.READ: (
        "getAction",
        "getErasure",
        "getItem",
        "getUser",
        "listAccounts",
        "listActions",
        "listItems",
        "listNotifications",
        "listProduct",
        "listStatements",
        "listSyncRuns",
        "listTransactions",
        "readBalanceNow",
        "readChanges",
        "readChangesOfAll",
        "readCoverage",
        "readCreditRegistry",
        "readTimeline",
    ),
    # What the product does for its persons every day.
    Scope.ACT: (
        "answerMfa",
        "cancelAction",
        "createConnectToken",
        "createPageLink",
        "createUpdateToken",
        "deleteItem",
        "giveCredentials",
        "refreshItem",
        "registerItem",
        "resendNotification",
        "restartAction",
    ),
    # Erasing a person, and where data goes. The address of an endpoint may hold a secret.
    Scope.ADMIN: (
        "changeEndpoint",
        "createEndpoint",
        "deleteEndpoint",
        "deleteUser",
        "listAttempts",
        "listEndpoints",
        "pingEndpoint",
        "recoverEndpoint",
        "resumeEndpoint",
        "rotateSecret",
        "showEndpoint",
    ),
}

SCOPE_OF_OPERATION: Mapping[str, Scope] = {
    operation: scope for scope, operations in _OPERATIONS.items() for operation in operations
}


# No secrets: whoever is given a receipt may check it.
OPEN = frozenset({"listErasureKeys"})


def needed(operation_id: str) -> Scope | None:
    """Return the scope that the operation asks for; None: it is open to everybody."""
    if operation_id in OPEN:
        return None
    return SCOPE_OF_OPERATION.get(operation_id, Scope.ADMIN)
