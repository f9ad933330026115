"""Whether this machine may write its memory, and parts with it, to a disk in the clear."""

from __future__ import annotations

import os
from pathlib import Path

_ENCRYPTED = "CRYPT-"
"""Begins the device mapper's uuid of a device under dm-crypt."""
_NO_DEVICE = "none"


def clear_swaps(proc: Path = Path("/proc"), devices: Path = Path("/sys/dev/block")) -> list[str]:
    """Give the swaps in use (proc(5)) that are neither in memory (zram) nor on a device under dm-crypt.

    A zram that writes back to a device counts as that device's. What cannot be found out counts as clear.
    """
    try:
        lines = (proc / "swaps").read_text().splitlines()[1:]
    except OSError:
        return []
    names = [line.split()[0].replace("\\040", " ") for line in lines if line.split()]
    return [name for name in names if not _kept(Path(name), devices)]


def _kept(swap: Path, devices: Path) -> bool:
    """Whether the swap is memory, or all that is under it is encrypted."""
    try:
        status = swap.stat()
    except OSError:
        return False
    number = status.st_rdev or status.st_dev  # a device's own, or that of the device a file lies on
    device = devices / f"{os.major(number)}:{os.minor(number)}"
    backing = device / "backing_dev"
    if backing.exists():
        return backing.read_text().strip() == _NO_DEVICE
    return _encrypted(device)


def _encrypted(device: Path) -> bool:
    """Whether a block device, or every device that it is made of, is under dm-crypt."""
    uuid = device / "dm" / "uuid"
    if uuid.exists() and uuid.read_text().startswith(_ENCRYPTED):
        return True
    below = list((device / "slaves").iterdir()) if (device / "slaves").is_dir() else []
    return bool(below) and all(_encrypted(slave) for slave in below)
