"""The container files: no engine runs here, so what they copy, start and expose is read and compared."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _copied() -> list[str]:
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


class TestDockerfile:
    def test_copies_only_what_exists(self) -> None:
        assert [source for source in _copied() if not (ROOT / source).exists()] == []

    def test_copies_every_package_and_what_the_build_reads(self) -> None:
        wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
        needed = {
            *wheel["packages"],
            *wheel["force-include"],
            "pyproject.toml",
            "uv.lock",
            PROJECT["project"]["readme"],
        }
        assert needed <= set(_copied())

    def test_starts_an_installed_command(self) -> None:
        (command,) = re.findall(r'^CMD \["(\S+?)"', DOCKERFILE, re.MULTILINE)
        assert command in PROJECT["project"]["scripts"]

    def test_exposes_the_port_it_serves_and_checks(self) -> None:
        (port,) = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)
        assert f'"--port", "{port}"' in DOCKERFILE
        assert f"127.0.0.1:{port}/readyz" in DOCKERFILE
        assert f'"127.0.0.1:{port}:{port}"' in COMPOSE

    def test_runs_without_privileges(self) -> None:
        assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE) == ["partvault"]
        assert "no-new-privileges:true" in COMPOSE
        assert "cap_drop: [ALL]" in COMPOSE

    def test_keeps_its_state_on_the_volume(self) -> None:
        assert "PARTVAULT_DATA_DIR=/data" in DOCKERFILE
        assert 'VOLUME ["/data"]' in DOCKERFILE
        assert "inventory:/data" in COMPOSE

    def test_installs_with_the_pinned_tool(self) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        (version,) = re.findall(r"^UV_VERSION := (\S+)$", makefile, re.MULTILINE)
        assert f"uv=={version}" in DOCKERFILE

    def test_hides_secrets_and_state_from_the_build(self) -> None:
        ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
        assert {".git", ".venv", "data", "demo-output"} <= set(ignored)
