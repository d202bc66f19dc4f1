"""The operator's console: pages of its own process, on a private port, over the same queries as the command line."""
