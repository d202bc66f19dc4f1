"""
What a caller does about each code of a problem: `docs/errors.md`, and `/v1/docs/errors`, to which `type` leads.

Tests: `test_problem_pages.py`.
"""

import html
import re
import sys
from collections.abc import Mapping

from webhook_app import problems

# By code, what to do. What it means stands in `problems.DETAIL_OF_CODE`.
ADVICE: Mapping[str, str] = {
    "item-not-found": ("Check the id. An Item is known here from its first webhook, or from `POST /v1/items`."),
    "item-deleted": "Remove what you keep of the Item. The person connects the bank again with a new connect token.",
    "item-replaced": "Use the Item `replacedBy`. `item.replaced` told you which account is which.",
    "item-gone-at-pluggy": ("Nothing. The service asks Pluggy again and purges the Item; `item.deleted` tells you."),
    "action-not-found": "Check the id. List what is open with `GET /v1/actions?state=open`.",
    "action-submitted": "Wait for `item.action_resolved`, or for another `item.action_required`. Do not send it again.",
    "action-settled": "Stop asking the person. Read the action: `state` and `outcome` say how it ended.",
    "action-expired": (
        "The bank no longer waits. Start the update with `POST /v1/items/{id}/refresh` when the person is ready."
    ),
    "wrong-kind": "Look at the action's `kind` and `parameter`. Each is settled by one call.",
    "nothing-asked": "Start the update with `POST /v1/actions/{id}/restart`; the bank then asks anew.",
    "invalid-value": "Show `detail` beside the field, and let the person type again. The action is still open.",
    "invalid-parameters": "Correct what `errors` names and send all of it again. The action is still open.",
    "value-already-used": "Ask the person for the next code, and send that one.",
    "already-provided": "Wait for the outcome, as after `action-submitted`.",
    "wait-before-retry": "Send nothing before `retryAt`. Show the person until when they wait.",
    "too-many-errors": "Write to Pluggy's support and name the Item's id.",
    "different-person": "Connect these credentials as a new Item, with a new connect token.",
    "needs-person": "List the open actions of the Item and lead the person to the `pageUrl` of one.",
    "already-updating": "Wait for `item.synced`.",
    "already-fresh": "Use the data as they are. Pluggy updates the Item by itself at `nextAutoSyncAt`.",
    "not-now": "Try again at `retryAt`. Without one, wait for `item.synced` or try again in an hour. Log `pluggyCode`.",
    "bank-offline": (
        "Tell the person that their bank does not answer. Once it is back, those who still must act are told: "
        "`connector.status_changed`, then `item.action_required`."
    ),
    "updates-not-allowed": "Let Pluggy allow updates for your application, or wait for its own ones.",
    "refused-by-pluggy": "Log `pluggyCode` and `requestId`. The same call is likely to be refused again.",
    "invalid-request": "Correct the call. Do not send the same one again.",
    "invalid-cursor": "Begin the list again without `after`; for a change feed, without `cursor`.",
    "unauthorized": (
        "Send `Authorization: Bearer` with one of the tokens in `API_TOKENS`, or one of `pluggy-sync tokens create`."
    ),
    "insufficient-scope": "Use a token with that scope. An operator makes one: `pluggy-sync tokens create`.",
    "not-found": "Check the address against `/v1/docs`.",
    "history-not-kept": "Ask for `earliest` or later. How far back it reaches is a setting, KEEP_REVISIONS_DAYS.",
    "account-not-found": "List the accounts with `GET /v1/items/{id}/accounts`. Their Item may have been deleted.",
    "user-not-found": "Check the id. A person is known here by the `clientUserId` of an Item.",
    "erasure-not-found": "Check the id: `DELETE /v1/users/{clientUserId}` answers with it.",
    "user-erased": (
        "For a person who comes back, ask for a token by `POST /v1/connect-tokens` once the erasure is done: that lets "
        "them in. If your tokens come from Pluggy itself, an operator calls `pluggy-sync erase --allow-return`."
    ),
    "endpoint-not-found": "Check the id. List the endpoints with `GET /v1/endpoints`.",
    "notification-not-found": "Check the id: it is the header `webhook-id`. Old notifications are not kept.",
    "endpoint-of-settings": "Change `PRODUCT_WEBHOOK_URL` or `PRODUCT_WEBHOOK_SECRET`, or make another endpoint.",
    "product-not-found": "Use one of the names in `detail`.",
    "method-not-allowed": "Check the method against `/v1/docs`. The header `Allow` names those of this address.",
    "too-slow": "Send the body at once, within five seconds.",
    "action-required": "Lead the person to `action.pageUrl`, or ask them yourself and answer the action.",
    "not-given": "Log `pluggyCode`. It is for Open Finance Items with a consent. Ask Pluggy whether your plan has it.",
    "client-user-mismatch": "Check whose Item it is: it keeps the `clientUserId` that it was first known by.",
    "too-large": "Send less. No call of `/v1` needs more than 64 KiB.",
    "unsupported-media-type": "Send JSON, with `Content-Type: application/json`.",
    "too-many-requests": "Wait as `Retry-After` says, and send fewer calls at once.",
    "internal-error": "Try again later. Give the operator the `requestId`: the log says more.",
    "pluggy-busy": "Wait as `Retry-After` says. Nothing was lost: the action is open again.",
    "pluggy-unavailable": "Wait as `Retry-After` says. Nothing was lost: the action is open again.",
    "unavailable": "Wait as `Retry-After` says, then send the same call. What was sent may have been stored.",
}

_TITLE = "Errors of the API"
_LEAD = (
    "Whatever is wrong is answered with an RFC 9457 problem, `application/problem+json`. Branch on its `code`: the "
    "words below are stable, new ones may come. `type` is the address of the paragraph about the code, relative to the "
    "service. "
    "`requestId` is also in the header `X-Request-Id` and in the service's log."
)
_CODE = re.compile(r"`([^`]+)`")


def as_markdown() -> str:
    """Return `docs/errors.md`."""
    parts = [f"# {_TITLE}", _LEAD]
    for code, status in _by_status():
        parts += [f"## {code}", f"Status {status}. {problems.DETAIL_OF_CODE[code]}", f"**What to do.** {ADVICE[code]}"]
    return "\n\n".join(parts) + "\n"


def as_html() -> str:
    """Return the page at `/v1/docs/errors`."""
    parts = [
        f"<h2 id={code}><code>{code}</code></h2><p>Status {status}. {_html(problems.DETAIL_OF_CODE[code])}"
        f"<p><b>What to do.</b> {_html(ADVICE[code])}"
        for code, status in _by_status()
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{_TITLE}</title>'
        "<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:0 auto;padding:1rem}"
        "code{overflow-wrap:anywhere}:target{background:Highlight;color:HighlightText}"
        ":root{color-scheme:light dark}</style>"
        f"<main><h1>{_TITLE}</h1><p>{_html(_LEAD)}{''.join(parts)}</main></html>"
    )


def _by_status() -> list[tuple[str, int]]:
    return sorted(problems.STATUS_OF_CODE.items(), key=lambda each: (each[1], each[0]))


def _html(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", html.escape(text, quote=False))


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
