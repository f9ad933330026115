"""Certificates of prints, for their parties; what the chain tells of a print, for everybody."""
