"""Licences: prepared, signed by the owner, granted and revoked on chain."""
