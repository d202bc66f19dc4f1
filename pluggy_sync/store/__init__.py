"""
Postgres: tables, and one module of queries per subject. Callers own the transaction.

A statement that runs often is a constant above the function that runs it: SQLAlchemy would build it at each call, and
with it the key under which it keeps the SQL. SQLAlchemy writes a parameter that has a column's name to that column, in
SET or VALUES. So what a statement looks for has a name that no column has, as `:item`.

Where filters are optional, each set of them has a statement of its own (`functools.cache`). A list is one parameter, an
array with `= ANY`: an `IN` is written out anew each time. Many rows are one parameter too (`given_rows.py`).
"""
