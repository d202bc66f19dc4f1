"""
How Alembic runs our migrations: on the connection it is handed.

Each migration is a transaction, which an online one may commit in between. If the caller has begun one, that is used.
"""

from alembic import context

from pluggy_sync.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
