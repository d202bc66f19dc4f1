"""The Flask edge: webhook intake, the product API, the person's page, health. It answers; workers work."""
