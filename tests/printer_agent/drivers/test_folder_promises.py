"""The folder driver keeps the promises of every driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from printer_agent.drivers.folder import FolderDriver
from tests.conformance.printer_driver import PrinterDriverContract, Stand


class TestFolder(PrinterDriverContract):
    @pytest.fixture
    def stand(self, tmp_path: Path) -> Stand:
        def files() -> list[Path]:
            return [path for path in tmp_path.rglob("*") if path.is_file()]

        return Stand(lambda: FolderDriver(tmp_path / "watch", tmp_path / "marks"), files)
