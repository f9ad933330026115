"""One token and one TPM a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.printer_agent.keys.softhsm import SoftHsm, softhsm
from tests.printer_agent.keys.swtpm import SoftwareTpm, swtpm


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    with softhsm(tmp_path_factory.mktemp("softhsm")) as made:
        yield made


@pytest.fixture(scope="session")
def tpm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftwareTpm]:
    with swtpm(tmp_path_factory.mktemp("swtpm")) as made:
        yield made
