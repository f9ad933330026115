"""Can the process build it? Walls, gaps, overhangs and the build volume, measured on the placed part.

- `placed`: every facet in mm where it will be built, with area and normal.
- `rays`: first hits of rays (Embree), single-threaded so that it lives in a confined child.
- `sampling`, `opposite`: points on the surface, and how far the face opposite lies: walls and gaps.
- `overhang`, `build_volume`: what hangs over, and whether a turn fits the machine.
- `check.check_printability`: all of it as findings and measures.

Walls and gaps are sampled, and say so: they find what is common on the surface, not every needle.
"""
