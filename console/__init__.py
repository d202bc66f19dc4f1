"""The operator's window: the `pluggy-sync` command line."""
