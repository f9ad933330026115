"""Custody of keys and objects: wrapped keys by context, rotation, shredding, and the check of the vault."""
