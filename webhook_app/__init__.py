"""The Flask edge: webhook intake, the product API, the person's page, health. The workers do the work."""
