"""Measuring the service: `make bench`. All runs on this machine, each row beside its reference in the same run."""
