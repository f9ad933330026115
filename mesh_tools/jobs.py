"""What a sandboxed child can be asked to do, by name. Runs inside the sandbox.

A job takes the inputs as read-only views, their file names, options as plain JSON values and the limits, and
gives an answer. It raises Refused for what its input does not allow; the parent gets code and message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mesh_tools.answer import Answer
from mesh_tools.arrange_job import arrange_files
from mesh_tools.canonical_job import canonical_file
from mesh_tools.comparison.job import compare_files
from mesh_tools.examine import examine_file
from mesh_tools.fingerprint.job import fingerprint_file
from mesh_tools.gate import Policy
from mesh_tools.limits import Limits
from mesh_tools.render import render_file
from mesh_tools.secure_content.jobs import secure_framing, secure_geometry

Options = Mapping[str, Any]
Job = Callable[[Sequence[memoryview], Sequence[str], Options, Limits], Answer]


def inspect(inputs: Sequence[memoryview], names: Sequence[str], options: Options, limits: Limits) -> Answer:
    """Judge one file by `policy`; with `pictures`, draw it. The answer is a `Report`."""
    report = examine_file(
        inputs[0],
        filename=names[0],
        policy=Policy.from_json(options["policy"]),
        pictures=bool(options["pictures"]),
        limits=limits,
    )
    picture = report.thumbnail_png
    return Answer(report.to_json(), {} if picture is None else {"thumbnail.png": picture})


def render(inputs: Sequence[memoryview], names: Sequence[str], options: Options, limits: Limits) -> Answer:
    """Draw one file: `view` of `mesh_tools.views`, under `policy`; `axis` and `at_mm` place a section."""
    policy = Policy.from_json(options["policy"])
    pictures = render_file(
        inputs[0], filename=names[0], view=options["view"], options=options, policy=policy, limits=limits
    )
    return Answer({}, pictures)


JOBS: Final[Mapping[str, Job]] = {
    "arrange": arrange_files,
    "canonical": canonical_file,
    "compare": compare_files,
    "fingerprint": fingerprint_file,
    "inspect": inspect,
    "render": render,
    "secure_framing": secure_framing,
    "secure_geometry": secure_geometry,
}


def perform(
    job: str, inputs: Sequence[memoryview], names: Sequence[str], options: Options, limits: Limits
) -> Answer:
    """Do the job of that name; KeyError where there is none."""
    return JOBS[job](inputs, names, options, limits)
