"""The vault: encrypted, immutable, content-checked objects and their keys."""
