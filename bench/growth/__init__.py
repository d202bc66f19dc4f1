"""Whether an operation costs the same in a database with a long history as in one with next to none."""
