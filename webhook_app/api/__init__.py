"""The product's API `/v1` (product contract): one module per subject, errors in `webhook_app.errors`."""
