"""Postgres: tables, and one module of queries per subject. Callers own the transaction."""
