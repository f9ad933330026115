"""Crypto-shredding: a design's keys and objects destroyed, by two keys' consent, on record."""
