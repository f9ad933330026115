"""What a machine knows between two lines: where the nozzle is, how numbers are meant, what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh_tools.toolpath.machine import MachineLimits

AXES = "XYZ"
INCH_MM = 25.4


@dataclass(slots=True)
class State:
    """`position` is the nozzle's place on the machine, in mm; `offset` is that less what the toolpath calls
    it (G92). `filament` is the extruder's place as the toolpath calls it. `feed` is in mm/s, at first 0.
    """

    machine: MachineLimits
    position: list[float] = field(init=False)
    offset: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    homed: list[bool] = field(default_factory=lambda: [False, False, False])
    filament: float = 0.0
    relative: bool = False
    filament_relative: bool = False
    unit_mm: float = 1.0
    unit_stated: bool = False
    feed: float = 0.0
    feed_share: float = 1.0

    def __post_init__(self) -> None:
        self.position = list(self.machine.home_mm)

    @property
    def extrudes_relative(self) -> bool:
        """Whether E counts from where it is: in Klipper also wherever the axes do."""
        return self.filament_relative or (self.machine.dialect == "klipper" and self.relative)

    def place(self, *, relative: bool) -> None:
        """G90 and G91; in Marlin they set the extruder's way as well."""
        self.relative = relative
        if self.machine.dialect == "marlin":
            self.filament_relative = relative

    def home(self, axes: str) -> None:
        """G28: the axes stand at home and carry no offset."""
        for axis, letter in enumerate(AXES):
            if letter in axes:
                self.position[axis] = self.machine.home_mm[axis]
                self.offset[axis] = 0.0
                self.homed[axis] = True

    def release(self, axes: str) -> None:
        """M84 and M18: the axes hold no place until they are homed again."""
        for axis, letter in enumerate(AXES):
            if letter in axes:
                self.homed[axis] = False

    def rename(self, letter: str, value: float) -> None:
        """G92: the place where `letter` stands is from now on called `value`, in the file's unit."""
        if letter == "E":
            self.filament = value * self.unit_mm
        else:
            axis = AXES.index(letter)
            self.offset[axis] = self.position[axis] - value * self.unit_mm
