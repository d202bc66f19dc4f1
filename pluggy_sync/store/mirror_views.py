"""
The views that a company reads: what each shows, column by column. They are stable; our tables are not.

Columns are only added, at the end: whoever built on a view keeps it. Each moment stands twice, as an instant (`..._at`)
and as the day in São Paulo that it means (`..._day`). Money is numeric. `raw` is Pluggy's object as last read.
`mirror` makes the views, and `docs/tables.md` describes them.

Tests: `store/test_mirror.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from pluggy_sync.rules import freshness, needs
from pluggy_sync.rules.action_states import OPEN
from pluggy_sync.rules.contradictions import Contradiction
from pluggy_sync.rules.freshness import State
from pluggy_sync.rules.statuses import OFFLINE, RUNNING, UPDATED

SAO_PAULO = "America/Sao_Paulo"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its expression over the tables of the view, and what it says. `leads_to`: the view that it names."""

    name: str
    sql: str
    comment: str
    leads_to: str | None = None


@dataclass(frozen=True, kw_only=True)
class View:
    """A view. `source` is what stands behind FROM; in it `t` is the table with a row for each row of the view."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    source: str


def views(stale_after: timedelta) -> tuple[View, ...]:
    """Return all views. An Item is stale once it is *stale_after* behind its expected update."""
    return (*_VIEWS, _freshness(stale_after))


def _column(name: str, comment: str, sql: str | None = None, *, leads_to: str | None = None) -> Column:
    return Column(name=name, sql=sql or f"t.{name}", comment=comment, leads_to=leads_to)


def _text(name: str, comment: str, *path: str) -> Column:
    """Return a text of `raw`."""
    return _column(name, comment, f"t.raw #>> '{{{','.join(path)}}}'")


def _number(name: str, comment: str, *path: str) -> Column:
    """Return a number of `raw`; null if something else stands there."""
    value = f"t.raw #> '{{{','.join(path)}}}'"
    return _column(name, comment, f"CASE jsonb_typeof({value}) WHEN 'number' THEN ({value})::numeric END")


def _instant(name: str, comment: str, sql: str | None = None) -> tuple[Column, Column]:
    """Return an instant, `..._at`, and its day in São Paulo, `..._day`."""
    sql = sql or f"t.{name}"
    day = f"{name.removesuffix('_at')}_day"
    return _column(name, comment, sql), _column(day, f"Day of `{name}`", f"({sql} AT TIME ZONE '{SAO_PAULO}')::date")


def _day(name: str, comment: str, column: str) -> tuple[Column, Column]:
    """Return a day that is stored as *column*, `..._day`, and the instant at which it begins in São Paulo, `..._at`."""
    at = f"(t.{column}::timestamp AT TIME ZONE '{SAO_PAULO}')"
    return (
        _column(f"{name}_at", f"{comment}: midnight in São Paulo", at),
        _column(f"{name}_day", comment, f"t.{column}"),
    )


_ID = _column("id", "Pluggy's id")
_ITEM = _column("item_id", "The Item", leads_to="items")
_CURRENCY = _column("currency_code", "ISO 4217")
_RAW = _column("raw", "Pluggy's object as last read")
_READ = (
    *_instant("synced_at", "When it was last read from Pluggy"),
    *_instant("missing_at", "Since when Pluggy lists it no more; null while it does", "t.missing_since"),
)

_ITEMS = View(
    name="items",
    comment="Connections of persons to their banks. A deleted one keeps its id and the time, nothing of the person.",
    source="items t LEFT JOIN connectors c ON c.id = t.connector_id",
    columns=(
        _ID,
        _column("client_user_id", "Your id of the person"),
        _column("connector_id", "Pluggy's number of the bank's integration"),
        _column("connector_name", "The bank, as Pluggy names it", "c.name"),
        _column("connector_status", "ONLINE, UNSTABLE or OFFLINE, as last heard", "c.status"),
        _column("status", "Pluggy's `status`; null until it was first seen, and once deleted"),
        _column("execution_status", "Pluggy's `executionStatus`: how the last execution went"),
        *_instant("last_updated_at", "When Pluggy last collected from the bank"),
        *_instant("next_auto_sync_at", "When Pluggy plans the next update"),
        *_instant("consent_expires_at", "When the person's consent ends"),
        *_instant(
            "synced_through_at",
            "The collection of transactions up to which everything is stored; null before the first sync",
            "t.synced_through",
        ),
        *_instant("first_seen_at", "When we first heard of it"),
        *_instant("deleted_at", "When it was deleted; null while it is there"),
        _RAW,
    ),
)

_ACCOUNTS = View(
    name="accounts",
    comment="Bank accounts and cards.",
    source="accounts t",
    columns=(
        _ID,
        _ITEM,
        _column("type", "BANK or CREDIT"),
        _column("subtype", "CHECKING_ACCOUNT, SAVINGS_ACCOUNT, CREDIT_CARD and others"),
        _column("number", "Number of the account, or the last digits of the card"),
        _column("name", "Name of the account"),
        _text("marketing_name", "Name under which the bank sells it", "marketingName"),
        _text("owner", "Name of the owner", "owner"),
        _text("tax_number", "CPF or CNPJ of the owner", "taxNumber"),
        _column("balance", "Exact. Of a card: what is owed"),
        _CURRENCY,
        _number("credit_limit", "Of a card", "creditData", "creditLimit"),
        _number("available_credit_limit", "Of a card", "creditData", "availableCreditLimit"),
        _number("minimum_payment", "Of a card", "creditData", "minimumPayment"),
        *_instant("synced_through_at", "The collection up to which its transactions are stored", "t.synced_through"),
        *_READ,
        _RAW,
    ),
)

_TRANSACTIONS = View(
    name="transactions",
    comment="Movements of accounts and cards, as they are now. Removed ones are not here; `changes` names them.",
    source="transactions t",
    columns=(
        _ID,
        _column("account_id", "The account or card", leads_to="accounts"),
        _ITEM,
        _column("date_at", "As sent", "t.date"),
        _column(
            "date_day", "The day that it means: midnight UTC means that day, all else the day in São Paulo", "t.day"
        ),
        _column("description", "What to show to a person"),
        _text("description_raw", "As the bank wrote it", "descriptionRaw"),
        _column("amount", "Exact. Purchases with a card are positive: read `type`, not the sign"),
        _column("amount_in_account_currency", "Only if the currency is not the account's"),
        _CURRENCY,
        _column("type", "DEBIT or CREDIT"),
        _column("status", "PENDING or POSTED"),
        _column("category_id", "The category", leads_to="categories"),
        _text("category", "Name of the category, in English", "category"),
        _column("provider_id", "The bank's own id of it; Open Finance only"),
        _text("operation_type", "PIX, TED, BOLETO and others; Open Finance only", "operationType"),
        _text("merchant_name", "The shop", "merchant", "name"),
        _text("merchant_cnpj", "CNPJ of the shop", "merchant", "cnpj"),
        _number("installment_number", "Of a card: which instalment", "creditCardMetadata", "installmentNumber"),
        _number("total_installments", "Of a card: of how many", "creditCardMetadata", "totalInstallments"),
        _column(
            "bill_id", "Of a card: the bill that it is on", "t.raw #>> '{creditCardMetadata,billId}'", leads_to="bills"
        ),
        *_instant("created_at", "When Pluggy first had it"),
        *_instant("updated_at", "When Pluggy last changed it"),
        _RAW,
        _column("replaces", "Id of a pending transaction, gone now, whose place this one probably took: a hint"),
        _column("replaces_rule", "What tells so: provider_id, or amount_and_date"),
    ),
)

# Looked up by the account, as through an index: a filter on `series_account_id` reads no other account.
_SERIES_ROWS = """
    accounts a CROSS JOIN LATERAL (
        WITH RECURSIVE of_series (account_id) AS (
            SELECT a.id
            UNION
            SELECT l.old_account_id FROM account_links l JOIN of_series ON l.new_account_id = of_series.account_id
        )
        SELECT account_id FROM of_series
    ) s JOIN transactions t ON t.account_id = s.account_id
        AND NOT EXISTS (SELECT FROM account_links l WHERE l.old_account_id = a.id)
        AND (
            t.account_id = a.id
            OR (
                t.status IS DISTINCT FROM 'PENDING'
                AND NOT EXISTS (SELECT FROM transaction_links l WHERE l.old_id = t.id)
            )
        )
"""

_TRANSACTION_SERIES = View(
    name="transaction_series",
    comment=(
        "Movements of each account together with those that only the accounts have whose place it took, as when a "
        "person connected the same bank anew: one series, each movement once."
    ),
    source=_SERIES_ROWS,
    columns=(
        _column("series_account_id", "The account that brings the series now", "a.id", leads_to="accounts"),
        *_TRANSACTIONS.columns,
    ),
)

_BILLS = View(
    name="bills",
    comment="Closed bills of cards.",
    source="bills t",
    columns=(
        _ID,
        _column("account_id", "The card", "t.parent_id", leads_to="accounts"),
        _ITEM,
        *_day("due", "When it must be paid", "due_date"),
        *_day("closing", "When it was closed", "closing_date"),
        _column("total_amount", "Exact"),
        _column("minimum_payment_amount", "Exact"),
        _CURRENCY,
        *_READ,
        _RAW,
    ),
)

_INVESTMENTS = View(
    name="investments",
    comment="What a person has invested.",
    source="investments t",
    columns=(
        _ID,
        _ITEM,
        _column("type", "FIXED_INCOME, MUTUAL_FUND, SECURITY, EQUITY, ETF, COE and others"),
        _column("subtype", "TREASURY, LCI, LCA, CDB, STOCK and others"),
        _column("name", "Name of the investment"),
        _column("status", "ACTIVE, PENDING or TOTAL_WITHDRAWAL"),
        _column("balance", "What would be paid out. Exact"),
        _column("amount", "Before taxes. Exact"),
        _CURRENCY,
        *_day("due", "When it ends", "due_date"),
        _number("quantity", "How many units", "quantity"),
        *_READ,
        _RAW,
    ),
)

_INVESTMENT_TRANSACTIONS = View(
    name="investment_transactions",
    comment="Movements of investments.",
    source="investment_transactions t",
    columns=(
        _ID,
        _column("investment_id", "The investment", "t.parent_id", leads_to="investments"),
        _ITEM,
        _column("type", "BUY, SELL, TAX, TRANSFER, INTEREST or AMORTIZATION"),
        _column("movement_type", "CREDIT or DEBIT"),
        *_day("date", "When", "date"),
        _column("amount", "Exact"),
        _column("quantity", "How many units"),
        _column("value", "Of one unit. Exact"),
        *_READ,
        _RAW,
    ),
)

_IDENTITY = View(
    name="identity",
    comment="Who the bank says the person or company is.",
    source="identities t",
    columns=(
        _ID,
        _ITEM,
        _column("full_name", "Full name"),
        _column("tax_number", "CPF or CNPJ"),
        *_READ,
        _RAW,
    ),
)

_LOANS = View(
    name="loans",
    comment="Loans and financing.",
    source="loans t",
    columns=(
        _ID,
        _ITEM,
        _column("contract_number", "The bank's number of the contract"),
        _column("product_name", "How the bank names it"),
        _column("type", "What kind of credit, in the words of Open Finance"),
        _column("kind", "LOAN, FINANCING, INVOICE_FINANCING or UNARRANGED_ACCOUNT_OVERDRAFT"),
        _column("contract_amount", "Exact"),
        _CURRENCY,
        *_day("due", "When the contract ends", "due_date"),
        *_READ,
        _RAW,
    ),
)

_CONSENTS = View(
    name="consents",
    comment="What persons agreed to share, and until when. Open Finance only.",
    source="consents t",
    columns=(
        _ID,
        _ITEM,
        *_instant("created_at", "When the person agreed"),
        *_instant("expires_at", "When it ends; null: it does not"),
        *_instant("revoked_at", "When it was withdrawn"),
        *_READ,
        _RAW,
    ),
)

_CATEGORIES = View(
    name="categories",
    comment="Pluggy's categories of transactions.",
    source="categories t",
    columns=(
        _ID,
        _column("description", "Name in English"),
        _column("description_translated", "Name in Portuguese"),
        _column("parent_id", "The category above it; null: none", leads_to="categories"),
        *_instant("synced_at", "When it was last read from Pluggy"),
        _RAW,
    ),
)

_ACTIONS = View(
    name="actions",
    comment="What persons must do, or had to.",
    source="user_actions t",
    columns=(
        _column("id", "Our id, as in the API"),
        _ITEM,
        _column("client_user_id", "Your id of the person"),
        _column("kind", "mfa, authorize, credentials, consent or bank"),
        _column("reason", "Pluggy's code for why"),
        _column("state", "open, submitted, resolved, expired or superseded"),
        _column("outcome", "How it was settled"),
        _column("provider_message", "The bank's own words"),
        _column("attempts", "How often an answer was given"),
        _column("reminders", "How often your product was reminded"),
        *_instant("created_at", "When it was opened"),
        *_instant("expires_at", "Until when it can be done; null: no deadline"),
        *_instant("submitted_at", "When the last answer was given"),
        *_instant("settled_at", "When it was settled; null while it is open"),
    ),
)

_CHANGES = View(
    name="changes",
    comment="The change feed: what happened to transactions, numbered for each Item in the order of commits.",
    source="changes t",
    columns=(
        _ITEM,
        _column("seq", "Its place in the feed of the Item"),
        _column("kind", "added, modified or removed"),
        _column("transaction_id", "The transaction; it may be gone since", leads_to="transactions"),
        _column("account_id", "Its account then", leads_to="accounts"),
        *_instant("changed_at", "When we stored the change"),
    ),
)

_SYNC_RUNS = View(
    name="sync_runs",
    comment="What each sync run of ours read and changed.",
    source="sync_runs t",
    columns=(
        _column("id", "Our id, as in the API"),
        _ITEM,
        _column("trigger", "The event that made it due"),
        _column("triggered_by", "Who started Pluggy's execution: USER, CLIENT, SYNC or INTERNAL"),
        *_day("window_from", "The first day that was read; null: everything", "window_from"),
        *_instant("window_to_at", "The collection that was read", "t.window_to"),
        _column("requests", "How many requests it made to Pluggy"),
        _column("added", "Transactions added"),
        _column("modified", "Transactions modified"),
        _column("removed", "Transactions removed"),
        _column(
            "doubted", "Transactions that Pluggy listed no more in an answer too empty to be believed; they were kept"
        ),
        _column("repaired", "Of those added: how many we had removed by mistake"),
        *_instant("started_at", "When it began"),
        *_instant("finished_at", "When it ended; null while it runs"),
        _column("outcome", "running, done, failed, rescheduled or abandoned"),
        _column("error", "Why it failed"),
    ),
)

_VIEWS = (
    _ITEMS,
    _ACCOUNTS,
    _TRANSACTIONS,
    _TRANSACTION_SERIES,
    _BILLS,
    _INVESTMENTS,
    _INVESTMENT_TRANSACTIONS,
    _IDENTITY,
    _LOANS,
    _CONSENTS,
    _CATEGORIES,
    _ACTIONS,
    _CHANGES,
    _SYNC_RUNS,
)


@dataclass(frozen=True)
class _Step:
    """If *condition* holds, and none before it did, the Item is in *state*."""

    condition: str
    state: State
    since: str
    reason: str = "NULL"


def _or_incident(step: _Step) -> tuple[_Step, _Step]:
    """Return *step*, and before it that an incident of the bank is why."""
    hit = f"({step.condition}) AND c.incident_type IS NOT NULL"
    return _Step(hit, State.BANK_OUTAGE, "c.incident_since", "c.incident_type"), step


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in sorted(values))


def _freshness(stale_after: timedelta) -> View:
    """Return `rules.freshness` in SQL, in its order. A test compares the two over all combinations."""
    not_found = f"(p.contradiction = '{Contradiction.NOT_FOUND}' AND p.refetches >= {freshness.SYNC_PATIENCE}) IS TRUE"
    behind = f"(p.contradiction <> '{Contradiction.NOT_FOUND}') IS TRUE"
    pending = "(p.sync_requested_seq > p.synced_seq) IS TRUE"
    fails = f"({pending} AND p.sync_attempts >= {freshness.SYNC_PATIENCE})"
    running = f"(t.status IN ({_listed(RUNNING)})) IS TRUE"
    is_updated = f"(t.status = '{UPDATED}') IS TRUE"
    assumed = f"coalesce(t.last_updated_at, t.first_seen_at) + {_interval(freshness.ASSUMED_PERIOD)}"
    expected = f"coalesce(t.next_auto_sync_at, {assumed})"
    steps = (
        _Step("t.deleted_at IS NOT NULL", State.DELETED, "t.deleted_at"),
        _Step("t.replaced_by IS NOT NULL", State.STALE, "t.last_updated_at", f"'{freshness.REPLACED}'"),
        _Step("c.away", State.BANK_OUTAGE, "c.incident_since", "c.incident_type"),
        _Step(f"c.status = '{OFFLINE}'", State.BANK_OUTAGE, "c.updated_at", f"'{freshness.BANK_OUTAGE}'"),
        _Step(
            f"NOT {is_updated} AND NOT {running} AND t.execution_status IN ({_listed(freshness.BANK_DOWN_CODES)})",
            State.BANK_OUTAGE,
            "t.updated_at",
            "coalesce(c.incident_type, t.execution_status)",
        ),
        _Step("a.created_at IS NOT NULL", State.WAITING_FOR_PERSON, "a.created_at", "a.reason"),
        *_or_incident(_Step(not_found, State.ERROR, "t.updated_at", f"'{Contradiction.NOT_FOUND}'")),
        _Step("t.status IS NULL", State.SYNCING, "t.first_seen_at"),
        _Step(running, State.SYNCING, "t.updated_at", "t.execution_status"),
        _Step(f"{behind} OR ({is_updated} AND {pending} AND NOT {fails})", State.SYNCING, "t.updated_at"),
        *_or_incident(_Step(f"NOT {is_updated}", State.ERROR, "t.updated_at", "t.execution_status")),
        *_or_incident(_Step(fails, State.ERROR, "t.updated_at", "'SYNC_FAILED'")),
        *_or_incident(
            _Step(f"now() > {expected} + {_interval(stale_after)}", State.STALE, expected, "'UPDATE_OVERDUE'")
        ),
        _Step("true", State.FRESH, "t.last_updated_at"),
    )
    whens = {
        name: " ".join(f"WHEN {step.condition} THEN {value}" for step, value in zip(steps, values, strict=True))
        for name, values in {
            "state": [f"'{step.state}'" for step in steps],
            "since": [step.since for step in steps],
            "reason": [step.reason for step in steps],
        }.items()
    }
    return View(
        name="freshness",
        comment="How fresh the data of each Item is at this moment, and why it is not.",
        source=f"""items t
            LEFT JOIN item_progress p ON p.item_id = t.id
            LEFT JOIN connectors c ON c.id = t.connector_id
            LEFT JOIN LATERAL (
                SELECT created_at, reason FROM user_actions
                WHERE item_id = t.id AND state = '{OPEN}' AND reason NOT IN ({_listed(needs.NOT_BLOCKING)})
                ORDER BY created_at, id LIMIT 1
            ) a ON true""",  # noqa: S608 - our own words
        columns=(
            _column("item_id", "The Item", "t.id", leads_to="items"),
            _column("client_user_id", "Your id of the person"),
            _column(
                "state",
                "fresh, stale, syncing, waiting_for_person, bank_outage, error or deleted, as in the API",
                f"CASE {whens['state']} END",
            ),
            *_instant("since_at", "When the state began, as far as is known", f"(CASE {whens['since']} END)"),
            _column("reason", "The code behind the state; null when all is well", f"CASE {whens['reason']} END"),
            *_instant("expected_at", "When the next update is, or was, expected", f"({expected})"),
        ),
    )


def _interval(length: timedelta) -> str:
    return f"interval '{length.total_seconds():.0f} seconds'"
