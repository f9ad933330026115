"""Compile `PrintLedger.sol` into `artifacts/PrintLedger.json`, byte for byte reproducible.

    python contracts/build.py           write the artifact
    python contracts/build.py --check   compile, compare with the committed artifact, write nothing

Needs the standard library, Node and `npm ci --ignore-scripts` done in this folder. The compiler settings are
those of `foundry.toml`, so the tests run the code that is deployed. Exit code 0: written, or equal; 1:
different, or it does not compile; 2: wrong usage.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
ARTIFACT = ROOT / "artifacts" / "PrintLedger.json"
ENTRY = "src/PrintLedger.sol"
CONTRACT = "PrintLedger"
LIBRARIES = {"@openzeppelin/": "node_modules/@openzeppelin/"}
IMPORT = re.compile(r'^\s*import\s[^;]*?"([^"]+)"\s*;', re.MULTILINE)


class BuildError(Exception):
    """The contract does not compile, or the committed artifact is not what it compiles to."""


def collect_sources(entry: str) -> dict[str, dict[str, str]]:
    """Return every source the entry imports, directly or not, by the name the compiler asks for it."""
    sources: dict[str, dict[str, str]] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in sources:
            continue
        path = ROOT / name
        for prefix, folder in LIBRARIES.items():
            if name.startswith(prefix):
                path = ROOT / folder / name.removeprefix(prefix)
        if not path.is_file():
            raise BuildError(f"{name}: no such source; run `npm ci --ignore-scripts` in {ROOT.name}/ first")
        text = path.read_text(encoding="utf-8")
        sources[name] = {"content": text}
        waiting += [resolve(name, target) for target in IMPORT.findall(text)]
    return dict(sorted(sources.items()))


def resolve(importer: str, target: str) -> str:
    """Return the name of an imported source: relative ones are relative to the importer."""
    if not target.startswith("."):
        return target
    parts = importer.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def settings() -> dict[str, Any]:
    """Return the compiler settings of `foundry.toml` in the compiler's own words."""
    profile = tomllib.loads((ROOT / "foundry.toml").read_text(encoding="utf-8"))["profile"]["default"]
    return {
        "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
        "viaIR": profile["via_ir"],
        "evmVersion": profile["evm_version"],
        "metadata": {"bytecodeHash": profile["bytecode_hash"], "appendCBOR": profile["cbor_metadata"]},
    }


def run_compiler(*arguments: str, stdin: str = "") -> str:
    """Run the compiler wrapper that forge uses and return what it prints."""
    command = ["node", str(ROOT / "bin" / "solc"), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise BuildError(f"the compiler did not run (exit code {done.returncode}): {done.stderr.strip()}")
    return done.stdout


def compile_artifact(entry: str = ENTRY, name: str = CONTRACT) -> dict[str, Any]:
    """Compile a contract and return its artifact; warnings are errors."""
    chosen = settings()
    code = ["bytecode.object", "deployedBytecode.object", "deployedBytecode.immutableReferences"]
    outputs = ["abi", *(f"evm.{part}" for part in code)]
    request = {
        "language": "Solidity",
        "sources": collect_sources(entry),
        "settings": {**chosen, "outputSelection": {entry: {name: outputs}}},
    }
    answer = json.loads(run_compiler("--standard-json", stdin=json.dumps(request)))
    if problems := [error["formattedMessage"] for error in answer.get("errors", [])]:
        raise BuildError("\n".join(problems))
    contract = answer["contracts"][entry][name]
    deployed = contract["evm"]["deployedBytecode"]
    return {
        "contractName": name,
        "compiler": {"version": run_compiler("--version").split("Version: ")[1].strip(), "settings": chosen},
        "abi": contract["abi"],
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed["object"],
        "immutableReferences": deployed["immutableReferences"],
    }


def render(artifact: dict[str, Any]) -> str:
    """Return the artifact as the text that is committed."""
    return json.dumps(artifact, indent=2, sort_keys=True) + "\n"


def check(text: str) -> None:
    """Compare with the committed artifact; BuildError names the entries that differ."""
    committed = ARTIFACT.read_text(encoding="utf-8") if ARTIFACT.is_file() else "{}"
    if committed == text:
        return
    try:
        old = json.loads(committed)
    except ValueError:
        old = {}
    new = json.loads(text)
    differing = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)] or ["its formatting"]
    raise BuildError(
        f"{ARTIFACT.relative_to(ROOT.parent)} is not what the sources compile to "
        f"(different: {', '.join(differing)}); run `python contracts/build.py` and commit the result"
    )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="compare with the committed artifact, write nothing"
    )
    only_check = parser.parse_args().check
    try:
        text = render(compile_artifact())
        if only_check:
            check(text)
        else:
            ARTIFACT.parent.mkdir(exist_ok=True)
            ARTIFACT.write_text(text, encoding="utf-8")
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{ARTIFACT.relative_to(ROOT.parent)} {'is current' if only_check else 'written'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
