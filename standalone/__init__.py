"""The whole service on one machine, with nothing installed but Python."""
