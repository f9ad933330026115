"""Every limit of the gate, in one frozen record; going over any of them is a refusal, never a pass."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024
INPUTS_MAX = 16
"""Files that one job may have."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one inspection may cost. Time and memory grow with the input: a sound 1 GiB file can pass,
    a hostile 1 KiB file is stopped after the base amounts. Units stand last in each name.

    `memory_*` bounds the address space a child may add to what the preloaded server already has;
    `cpu_*` its processor time; `wall_*` the time the parent waits before it kills.
    """

    file_bytes_max: int = 2048 * MIB
    facets_max: int = 50_000_000
    vertices_max: int = 50_000_000
    instances_max: int = 100_000

    memory_base_bytes: int = 512 * MIB
    memory_per_input_byte: float = 16.0
    cpu_base_s: float = 12.0
    cpu_input_bytes_per_s: float = 8 * MIB
    wall_base_s: float = 20.0
    wall_input_bytes_per_s: float = 4 * MIB
    answer_bytes_max: int = 8 * MIB
    descriptors_max: int = 32
    children_max: int = 2

    package_entries_max: int = 4096
    package_expanded_bytes_max: int = 2048 * MIB
    package_ratio_max: float = 200.0
    package_ratio_free_bytes: int = 4 * MIB
    package_relationships_max: int = 4096
    xml_depth_max: int = 32
    xml_attribute_chars_max: int = 16_384
    xml_elements_max: int = 20_000_000
    component_depth_max: int = 64

    def memory_bytes(self, input_bytes: int) -> int:
        """Address space in bytes that the inspection of `input_bytes` may add."""
        return self.memory_base_bytes + int(self.memory_per_input_byte * input_bytes)

    def cpu_s(self, input_bytes: int) -> float:
        """Processor seconds that the inspection of `input_bytes` may use."""
        return self.cpu_base_s + input_bytes / self.cpu_input_bytes_per_s

    def wall_s(self, input_bytes: int) -> float:
        """Seconds after which the parent kills the inspection of `input_bytes`."""
        return self.wall_base_s + input_bytes / self.wall_input_bytes_per_s
