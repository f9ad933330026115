"""Figures that `make bench` measures, each against a bar in the same run."""
