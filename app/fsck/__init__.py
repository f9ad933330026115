"""The check of the vault: every object, key and manifest against the database, and the reverse."""
