"""stub"""
from __future__ import annotations
from mesh_tools.model import Model
def thumbnail(model: Model, scale: float) -> bytes|None:
    """x."""
    return None
