"""Organisations, API keys, and the accounts that sign for them."""
