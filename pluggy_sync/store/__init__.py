"""
Postgres: tables, and one module of queries per subject. Callers own the transaction.

A statement of a busy way is a constant above the function that runs it: building one anew, and the key under which
SQLAlchemy keeps its SQL, takes longer than running it. A parameter with a column's name is written to that column:
SQLAlchemy adds it to SET or VALUES. What a statement looks for has therefore a name that no column has, as `:item`.
"""
