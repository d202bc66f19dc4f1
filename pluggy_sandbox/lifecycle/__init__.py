"""What happens to an Item from its creation to its end: executions, consents, refusals, events."""
