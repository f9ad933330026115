"""Which picture of a part? Every view by its name. Runs inside the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_args

import numpy as np

from mesh_tools.errors import Refused
from mesh_tools.examine import Judged, graded_marks, judge_model, scale_of
from mesh_tools.findings import Geometry
from mesh_tools.gate import Policy
from mesh_tools.limits import Limits
from mesh_tools.load import load
from mesh_tools.model import Model
from mesh_tools.pictures.marks import findings_picture
from mesh_tools.pictures.preview import preview_glb
from mesh_tools.pictures.section import Axis, section
from mesh_tools.pictures.sheet import contact_sheet
from mesh_tools.pictures.thumbnail import thumbnail
from mesh_tools.views import FILES


def render_file(
    data: memoryview, *, filename: str, view: str, options: Mapping[str, Any], policy: Policy, limits: Limits
) -> dict[str, bytes]:
    """The picture named `view` (see `mesh_tools.views`) of `data`, by its file name.

    `options`: for a section `axis` ("x", "y", "z") and `at_mm`. Raises Refused where the file cannot be read
    or drawn.
    """
    model = load(data, filename, limits)
    scale = scale_of(model, policy)
    match view:
        case "thumbnail":
            picture = thumbnail(_drawable(model), scale)
        case "sheet":
            judged = judge_model(model, policy)
            picture = contact_sheet(_drawable(model), scale, _caption(filename, judged))
        case "findings":
            judged = judge_model(model, policy)
            picture = findings_picture(_drawable(model), scale, graded_marks(model, judged, policy))
        case "section":
            picture = section(_drawable(model), scale, _axis(options), _place(options))
        case "preview":
            picture = preview_glb(_drawable(model), scale)
        case _:
            raise Refused("render.view", f"There is no view {view[:40]!r}.")
    return {FILES[view]: picture}


def _drawable(model: Model) -> Model:
    if not any(body.facet_count for body in model.bodies):
        raise Refused("mesh.empty", "The file holds no facet.")
    for body in model.bodies:
        if any(not np.isfinite(corners).all() for _, corners in body.chunks()):
            raise Refused("mesh.not_finite", "A coordinate is not a finite number.")
    return model


def _caption(filename: str, judged: Judged) -> str:
    geometry = judged.geometry
    return filename if geometry is None else f"{filename[:40]}    {_measures(geometry)}"


def _measures(geometry: Geometry) -> str:
    size = " × ".join(f"{side:.4g}" for side in geometry.size_mm)
    closed = "closed" if geometry.watertight else "not closed"
    volume = f"{geometry.volume_mm3:,.0f}" if geometry.volume_mm3 >= 100 else f"{geometry.volume_mm3:.3g}"
    return f"{size} mm    {volume} mm³    {geometry.facets:,} facets, {closed}"


def _axis(options: Mapping[str, Any]) -> Axis:
    axis = options.get("axis") or "y"
    if axis not in get_args(Axis):
        raise Refused("render.section", f"The axis {str(axis)[:10]!r} is not x, y or z.")
    return cast("Axis", axis)


def _place(options: Mapping[str, Any]) -> float | None:
    place = options.get("at_mm")
    return None if place is None else float(place)
