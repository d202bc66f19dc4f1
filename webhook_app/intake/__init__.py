"""Webhook intake: `POST /webhooks/pluggy`."""
