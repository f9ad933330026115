"""Do facets cut each other, do shells or bodies overlap? Depths, not bare contacts, are judged."""

from mesh_tools.intersections.check import intersections

__all__ = ["intersections"]
