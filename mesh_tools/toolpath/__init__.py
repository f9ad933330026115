"""Toolpaths: G-code, Prusa's binary G-code and G-code in a 3MF-like package, held to what a machine can."""
