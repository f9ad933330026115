"""From findings to a verdict: what the measures say under a policy, and how bad each finding is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from mesh_tools.catalogue import NEGOTIABLE
from mesh_tools.findings import Finding, Geometry, Severity, Verdict, finding
from mesh_tools.policy.policy import Policy
from mesh_tools.policy.words import PROCESSES, UNITS_MM, Rotations, Unit

__all__ = ["PROCESSES", "UNITS_MM", "Policy", "Unit", "fit", "graded", "judge", "sized"]

FIT_SLACK_MM = 1e-6
_SUPPORT_IS_WELDED = frozenset({"PBF-LB", "DED"})
_GRADES: dict[str, Severity] = {"allow": "info", "warn": "warn", "refuse": "refuse"}

Sides = tuple[float, float, float]


def judge(findings: Iterable[Finding], policy: Policy) -> Verdict:
    """`pass` when no finding refuses under `policy`, else `refuse`."""
    return "refuse" if any(found.severity == "refuse" for found in graded(findings, policy)) else "pass"


def graded(findings: Iterable[Finding], policy: Policy) -> tuple[Finding, ...]:
    """The findings with the policy's severities."""
    return tuple(_grade(found, policy) for found in findings)


def fit(geometry: Geometry, policy: Policy, *, unit_known: bool) -> tuple[Finding, ...]:
    """All that the measures alone say under `policy`: what `sized` says, and the build volume by the box.

    The box decides where a turn by right angles fits, or none can. Between the two only the mesh decides
    (`mesh_tools.printability.build_volume`), and nothing is said here.
    """
    return (*sized(geometry, policy, unit_known=unit_known), *_boxed(geometry, policy))


def sized(geometry: Geometry, policy: Policy, *, unit_known: bool) -> tuple[Finding, ...]:
    """Doubt about the unit, implausible sizes, and the number of shells."""
    found: list[Finding] = []
    extent = max(geometry.size_mm)
    least, most = policy.guideline.extent_mm_min, policy.guideline.extent_mm_max
    plausible = least <= extent <= most
    limits = f"plausible for {policy.process}: {least:g} to {most:g} mm"
    if not unit_known and policy.units is None:
        found.append(finding("units.assumed", "The format has no unit; millimetres were assumed."))
        if not plausible:
            message = (
                f"The longest side would be {extent:.4g} mm; {limits}.{_other_units(extent, least, most)}"
            )
            found.append(finding("units.doubtful", message))
    elif not plausible:
        found.append(finding("units.implausible", f"The longest side is {extent:.4g} mm; {limits}."))
    if geometry.shells > policy.shells_max:
        message = f"{geometry.shells} shells; the policy allows {policy.shells_max}."
        found.append(finding("mesh.shells", message, count=geometry.shells))
    return tuple(found)


def right_angle_turns(rotations: Rotations) -> Iterator[tuple[int, int, int]]:
    """The orders of axes that turns by right angles give under `rotations`, the part as it stands first."""
    for order in itertools.permutations(range(3)):
        turned = {"none": order == (0, 1, 2), "about_z": order[2] == 2}.get(rotations, True)
        if turned:
            yield (order[0], order[1], order[2])


def fits(size: Iterable[float], room: Iterable[float]) -> bool:
    """Whether each side goes into its own."""
    return all(side <= space + FIT_SLACK_MM for side, space in zip(size, room, strict=True))


def lengths(sides: Iterable[float]) -> str:
    """Lengths as a message shows them."""
    return " × ".join(f"{side:.4g}" for side in sides) + " mm"


def never_fits(size: Sides, room: Sides, rotations: Rotations) -> bool:
    """Whether a part with this box fits in no turn that `rotations` allows, for certain.

    A part is at least as long as each side of its box: in a footprint it needs that diagonal.
    """
    if rotations == "any":
        return max(size) > math.hypot(*room) + FIT_SLACK_MM
    if rotations == "none":
        return not fits(size, room)
    diagonal = math.hypot(room[0], room[1]) + FIT_SLACK_MM
    return not any(
        size[up] <= room[2] + FIT_SLACK_MM and max(size[first], size[second]) <= diagonal
        for first, second, up in right_angle_turns(rotations)
    )


def _boxed(geometry: Geometry, policy: Policy) -> Iterable[Finding]:
    size, room = geometry.size_mm, policy.build_volume_mm
    if room is None or fits(size, room):
        return ()
    text = f"{lengths(size)} into {lengths(room)}"
    if any(fits([size[axis] for axis in order], room) for order in right_angle_turns(policy.rotations)):
        return (finding("build.turned", f"The part fits only turned: {text}."),)
    if never_fits(size, room, policy.rotations):
        return (finding("build.too_large", f"The part does not fit the build volume: {text}."),)
    return ()


def _other_units(extent: float, least: float, most: float) -> str:
    """The units in which the size would be plausible."""
    fitting = [name for name, mm in UNITS_MM.items() if least <= extent * mm <= most]
    return f" It would be in {' or '.join(fitting)}." if fitting else ""


def _grade(found: Finding, policy: Policy) -> Finding:
    if found.severity == "refuse" and found.code not in NEGOTIABLE:
        return found
    severity = policy.severities.get(found.code) or _by_process(found.code, policy)
    return found if severity is None else replace(found, severity=severity)


def _by_process(code: str, policy: Policy) -> Severity | None:
    """The severity of findings that matter more in some processes, None for the catalogue's."""
    if code == "mesh.cavities":
        return _GRADES[policy.guideline.cavities]
    if code == "mesh.overlapping_bodies":
        return _GRADES[policy.overlaps]
    if code == "overhang.share" and (policy.overhang_degrees_max or policy.process in _SUPPORT_IS_WELDED):
        return "warn"
    return None
