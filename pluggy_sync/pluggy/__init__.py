"""Pluggy's API: one method per endpoint, parsed answers, typed errors."""
