"""What a bank customer reads: every word in `pt.toml` and `en.toml`, and what a company puts in their place."""
