"""Swaps as the kernel tells of them: which of them would show a part."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from printer_agent.swap import clear_swaps


@dataclass
class Kernel:
    """What /proc and /sys say, with one swap file whose device is made up."""

    folder: Path

    @property
    def swap(self) -> Path:
        return self.folder / "swap file"

    @property
    def device(self) -> Path:
        number = self.swap.stat().st_dev
        return self.folder / "sys" / f"{os.major(number)}:{os.minor(number)}"

    def use(self) -> None:
        self.swap.touch()
        name = str(self.swap).replace(" ", "\\040")
        head = "Filename\tType\tSize\tUsed\tPriority\n"
        (self.folder / "swaps").write_text(f"{head}{name}\tfile\t1048572\t0\t-2\n")
        self.device.mkdir(parents=True)

    def say(self, name: str, text: str) -> None:
        path = self.device / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def found(self) -> list[str]:
        return clear_swaps(self.folder, self.folder / "sys")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


class TestClearSwaps:
    def test_finds_none_where_none_is_in_use(self, kernel: Kernel) -> None:
        assert kernel.found() == []
        (kernel.folder / "swaps").write_text("Filename\tType\tSize\tUsed\tPriority\n")
        assert kernel.found() == []

    def test_names_a_plain_one(self, kernel: Kernel) -> None:
        kernel.use()
        assert kernel.found() == [str(kernel.swap)]

    def test_names_one_that_is_gone(self, kernel: Kernel) -> None:
        kernel.use()
        kernel.swap.unlink()
        assert kernel.found() == [str(kernel.swap)]

    @pytest.mark.parametrize(("uuid", "clear"), [("CRYPT-PLAIN-x", False), ("LVM-x", True)])
    def test_asks_the_device_mapper(self, kernel: Kernel, uuid: str, clear: bool) -> None:
        kernel.use()
        kernel.say("dm/uuid", uuid)
        assert bool(kernel.found()) is clear

    @pytest.mark.parametrize(("second", "clear"), [("CRYPT-LUKS2-y", False), ("mpath-y", True)])
    def test_looks_at_every_device_below(self, kernel: Kernel, second: str, clear: bool) -> None:
        kernel.use()
        kernel.say("dm/uuid", "LVM-x")
        kernel.say("slaves/a/dm/uuid", "CRYPT-LUKS2-x")
        kernel.say("slaves/b/dm/uuid", second)
        assert bool(kernel.found()) is clear

    @pytest.mark.parametrize(("backing", "clear"), [("none\n", False), ("/dev/sda3\n", True)])
    def test_takes_compressed_memory_for_memory(self, kernel: Kernel, backing: str, clear: bool) -> None:
        kernel.use()
        kernel.say("backing_dev", backing)
        assert bool(kernel.found()) is clear
