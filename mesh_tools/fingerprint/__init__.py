"""A part's fingerprint: a short vector that is the same however the part is turned, placed and meshed."""
