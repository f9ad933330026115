"""Who is calling: API keys of organisations, DPoP proofs of printers."""
