"""Alembic migrations of the service's tables and the ledger's."""
