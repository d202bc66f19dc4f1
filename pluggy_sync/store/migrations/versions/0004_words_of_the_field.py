"""
Names that the field uses: progress and offsets, watermarks, dedup key, submissions, lease.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = [
    ("item_work", "item_progress"),
    ("product_marks", "data_product_watermarks"),
    ("action_attempts", "submissions"),
]
COLUMNS = [
    ("item_progress", "wanted", "last_event_seq"),
    ("item_progress", "looked", "fetched_seq"),
    ("item_progress", "sync_wanted", "sync_requested_seq"),
    ("item_progress", "synced", "synced_seq"),
    ("items", "looked_at", "fetched_at"),
    ("items", "run_held_until", "lease_until"),
    ("user_actions", "need", "dedup_key"),
    ("user_actions", "taken_at", "accepted_at"),
]
INDEXES = [
    ("item_work_pkey", "item_progress_pkey"),
    ("item_work_due_idx", "item_progress_due_idx"),
    ("product_marks_pkey", "data_product_watermarks_pkey"),
    ("action_attempts_pkey", "submissions_pkey"),
    ("action_attempts_action_id_idx", "submissions_action_id_idx"),
    ("inbox_looks_idx", "inbox_fetch_requests_idx"),
]
FOREIGN_KEY = ("action_attempts_action_id_fkey", "submissions_action_id_fkey")
SEQUENCE = ("action_attempts_id_seq", "submissions_id_seq")
EVENT = ("local/look_requested", "local/fetch_requested")
OUTCOMES = [
    ("inbox", "forget", "purge"),
    ("inbox", "looked", "fetched"),
    ("submissions", "taken", "accepted"),
]


def upgrade() -> None:
    """Rename, and write the new words into the rows that hold an old one."""
    for old, new in TABLES:
        op.rename_table(old, new)
    for table, old, new in COLUMNS:
        op.alter_column(table, old, new_column_name=new)
    for old, new in INDEXES:
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")
    _rename_rest("submissions", FOREIGN_KEY, SEQUENCE)
    for table, old, new in OUTCOMES:
        op.execute(f"UPDATE {table} SET outcome = '{new}' WHERE outcome = '{old}'")  # noqa: S608 - our own words
    _rename_event(*EVENT)


def downgrade() -> None:
    """Take the old names back."""
    _rename_event(*reversed(EVENT))
    for table, old, new in OUTCOMES:
        op.execute(f"UPDATE {table} SET outcome = '{old}' WHERE outcome = '{new}'")  # noqa: S608 - our own words
    _rename_rest("submissions", FOREIGN_KEY[::-1], SEQUENCE[::-1])
    for old, new in INDEXES:
        op.execute(f"ALTER INDEX {new} RENAME TO {old}")
    for table, old, new in COLUMNS:
        op.alter_column(table, new, new_column_name=old)
    for old, new in TABLES:
        op.rename_table(new, old)


def _rename_rest(table: str, foreign_key: tuple[str, ...], sequence: tuple[str, ...]) -> None:
    op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {foreign_key[0]} TO {foreign_key[1]}")
    op.execute(f"ALTER SEQUENCE {sequence[0]} RENAME TO {sequence[1]}")


def _rename_event(old: str, new: str) -> None:
    # The index names the event, so it is made anew.
    op.execute("DROP INDEX IF EXISTS inbox_fetch_requests_idx")
    op.execute(
        f"UPDATE inbox SET name = '{new}', payload = jsonb_set(payload, '{{event}}', '\"{new}\"') "  # noqa: S608
        f"WHERE name = '{old}'"
    )
    op.execute(f"CREATE INDEX inbox_fetch_requests_idx ON inbox (id) WHERE name = '{new}'")
