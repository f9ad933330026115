"""Plates: several prints, of one licence or many, that one token releases on one printer, all or none."""
