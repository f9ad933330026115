"""Prints: policy, authorisation, redemption, release, outcome."""
