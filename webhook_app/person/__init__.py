"""The person's page `/act/<token>`: on a phone, in Portuguese or English, without a login (docs/actions.md)."""
