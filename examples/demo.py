"""The main job on a real part: `make demo`, or `make demo FILE=part.stl` (or .3mf) for your own.

Starts a service of its own (SQLite, a local folder, the embedded chain), takes the part from upload to two
counted prints, has the third refused, certifies the first, stops the service, and audits the history from
chain and evidence alone. Exit code 0 when all of that happened; 1 when the gate refuses the part or anything
disagrees.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
from rich.markup import escape
from rich.table import Table

from examples.direct_print import send_directly
from examples.stage import Account, RefusedError, Stage, environment

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "demo-output"
RECIPE = ["--process", "MEX", "--material", "PETG", "-p", "layer_height_mm=0.2", "-p", "infill=0.4"]
MACHINE = [
    "--model",
    "Demo printer",
    "--build-volume",
    "250x210x220",
    "--process",
    "MEX",
    "--material",
    "PETG",
]
PRINTS = 2


class Demo:
    """One run; each method is one step of the story, in the order of `play`."""

    def __init__(self, stage: Stage, part: Path, state: Path) -> None:
        self.stage = stage
        self.account = stage.account
        self.part = part
        self.state = state
        self.owner: dict[str, str] = {}
        self.provider: dict[str, str] = {}
        self.home = state / "printer"
        self.url = ""
        self.prints: list[str] = []

    def play(self) -> None:
        """Tell the whole story."""
        with ExitStack() as running:
            with self.account.step("Start the service: SQLite, a local folder, the embedded chain"):
                serving = self.stage.background(["partvault", "serve", "--port", "0"], "service.log")
                self.url = running.enter_context(serving)["url"]
                self.account.fact(f"listening on {self.url}, API documentation at {self.url}/docs", good=True)
            revision = self.publish()
            licence = self.license(revision, self.enrol())
            tokens = [self.print_once(licence, number) for number in range(1, PRINTS + 1)]
            self.third(licence)
            certificate = self.certify()
            evidence = self.evidence()
        self.audit(licence, evidence, certificate)
        self.search(tokens)

    def publish(self) -> dict[str, Any]:
        """Owner and provider with keys of their own; upload, inspection, publication."""
        with self.account.step("An owner and a provider, each with a key that only they hold"):
            self.owner = self._party("Acme Furniture", "owner")
            self.provider = self._party("PrintCo", "provider")
        with self.account.step(f"Upload {self.part.name}: hashed and encrypted as it flows, then inspected"):
            words = ["partvault", "design", "upload", str(self.part), "--name", self.part.stem, *RECIPE]
            revision = self.stage.run(words, as_party=self.owner)
            self._inspected(revision)
        with self.account.step("Publish: the owner signs a salted commitment; the chain records it"):
            words = ["partvault", "design", "publish", revision["id"]]
            revision = self.stage.run(words, as_party=self.owner)
            self.account.receipt("commitment published", revision["receipt"])
        return dict(revision)

    def _party(self, name: str, role: str) -> dict[str, str]:
        key_file = self.state / f"{role}.key"
        words = ["partvault", "org", "create", name, "--role", role, "--account", "own"]
        made = self.stage.run([*words, "--account-file", str(key_file)])
        self.account.fact(f"{role} {escape(name)}: account {made['account']['address']}", good=True)
        return {"PARTVAULT_API_KEY": made["api_key"]["key"], "PARTVAULT_ACCOUNT_FILE": str(key_file)}

    def _inspected(self, revision: dict[str, Any]) -> None:
        geometry = revision["inspection"]["geometry"]
        (low, high) = geometry["bounds_mm"]
        size = " × ".join(f"{b - a:.1f}" for a, b in zip(low, high, strict=True))
        self.account.fact(
            f"the gate passes it: {geometry['facets']:,} facets, closed, {size} mm,"
            f" {_volume(geometry['volume_mm3'])}",
            good=True,
        )
        picture = OUTPUT / "thumbnail.png"
        words = ["partvault", "design", "thumbnail", revision["id"], "-o", str(picture)]
        self.stage.run(words, as_party=self.owner)
        self.account.fact(f"thumbnail: {_relative(picture)}")

    def enrol(self) -> str:
        """A printer makes its keys; the provider approves them on chain."""
        with self.account.step("Enrol a printer: it makes its own keys, the provider approves them on chain"):
            words = ["partvault", "printer", "enrol", "Demo printer", *MACHINE]
            made = self.stage.run(words, as_party=self.provider)
            code = made["enrolment_code"]
            words = [
                "partvault-printer",
                "enrol",
                "--home",
                str(self.home),
                "--url",
                self.url,
                "--code",
                code,
            ]
            enrolled = self.stage.run([*words, *MACHINE], hide=code)
            words = [
                "partvault",
                "printer",
                "approve",
                made["id"],
                "--thumbprint",
                enrolled["key_thumbprint"],
            ]
            approved = self.stage.run(words, as_party=self.provider)
            self.account.receipt("printer enrolled", approved["receipt"])
        return f"{made['id']}={approved['printer_hash']}"

    def license(self, revision: dict[str, Any], printer: str) -> dict[str, Any]:
        """The owner permits two prints on this printer."""
        with self.account.step(f"License {PRINTS} prints to PrintCo on that printer, for 30 days"):
            words = ["partvault", "licence", "grant", "--revision", revision["id"], "--provider", "PrintCo"]
            words += ["--prints", str(PRINTS), "--expires", "+30d", "--printer", printer]
            licence = self.stage.run(words, as_party=self.owner)
            self.account.receipt(f"licence {licence['licence_hash'][:18]}… granted", licence["receipt"])
        return {**licence, "printer_id": printer.partition("=")[0]}

    def print_once(self, licence: dict[str, Any], number: int) -> str:
        """Authorise, redeem, verify, decrypt, check, deliver, report."""
        with self.account.step(f"Print {number} of {PRINTS}: token, redemption, release, gate, outcome"):
            token = str(self._authorise(licence)["token"])
            words = ["partvault-printer", "print", token, "--home", str(self.home)]
            words += ["--serial", f"SN-{number:04}", "--batch", "LOT 42"]
            done = self.stage.run(words, hide=token)
            self.prints.append(done["print_id"])
            self.account.fact(f"verified, decrypted in memory: {escape(done['detail'])}", good=True)
            shown = self._print(done["print_id"])
            self.account.receipt("print counted", shown["receipt"])
            self.account.receipt(f"outcome “{shown['state']}” recorded", shown["outcome_receipt"])
        return token

    def third(self, licence: dict[str, Any]) -> None:
        """The service says no before the contract has to."""
        with self.account.step(f"A {_ordinal(PRINTS + 1)} print: refused"):
            try:
                self._authorise(licence)
            except RefusedError as refused:
                for reason in refused.problem.get("reasons") or [refused.problem]:
                    self.account.fact(f"the service refuses: {escape(str(reason['message']))}", good=True)
            else:
                raise RefusedError("print authorise", {"message": "a print too many was authorised"})

    def certify(self) -> Path:
        """What goes with the part: a page to print, a file to verify, and where anybody may look."""
        with self.account.step("Certify print 1: a page that goes with the part, and its public page"):
            path, pdf = OUTPUT / "certificate.json", OUTPUT / "certificate.pdf"
            words = ["partvault", "print", "certificate", self.prints[0], "-o", str(path), "--pdf", str(pdf)]
            made = self.stage.run(words, as_party=self.provider)
            serial, batch = made["report"]["serials"][0], made["report"]["material"]["batch"]
            self.account.fact(f"certificate: {_relative(pdf)}, serial {serial}, batch {batch}", good=True)
            page = f"{self.url}/verify/{made['print']}"
            if "This print is on the ledger" not in httpx2.get(page, timeout=30).text:
                raise RefusedError("verify", {"message": f"{page} does not know the print"})
            self.account.fact(f"its code leads to {page[: len(self.url) + 26]}…, open to anybody", good=True)
        return path

    def evidence(self) -> Path:
        """What the owner keeps, to prove everything without the service."""
        with self.account.step("Download the evidence, then stop the service"):
            path = OUTPUT / "evidence.json"
            self.stage.run(["partvault", "evidence", "-o", str(path)], as_party=self.owner)
            self.account.fact(f"evidence: {_relative(path)} ({path.stat().st_size:,} bytes)", good=True)
        return path

    def audit(self, licence: dict[str, Any], evidence: Path, certificate: Path) -> None:
        """Chain and evidence alone: the contract's own refusal, the audit, and a forged evidence."""
        with ExitStack() as running:
            with self.account.step("Bring up the chain alone, from its stored transactions"):
                serving = self.stage.background(["partvault", "ledger", "serve"], "chain.log")
                chain = running.enter_context(serving)
                self.account.fact(f"contract {chain['contract']} answers at {chain['rpc_url']}", good=True)
            with self.account.step(f"Print {PRINTS + 1} again, past the service, straight to the contract"):
                refusal = send_directly(chain["rpc_url"], self.home, licence["licence_hash"], PRINTS + 1)
                self.account.fact(
                    f"signed by the enrolled printer, mined in block {refusal.block},"
                    f" transaction {refusal.transaction}: reverted"
                )
                self.account.fact(f"the contract refuses: {escape(refusal.reason)}", good=True)
            self._audit_offline(chain, evidence)
            self._verify_offline(chain, certificate)

    def _audit_offline(self, chain: dict[str, Any], evidence: Path) -> None:
        words = ["partvault", "audit", "--rpc", chain["rpc_url"], "--contract", chain["contract"]]
        with self.account.step("Audit offline: chain and evidence only, the service is stopped"):
            report = self.stage.run([*words, "--evidence", str(evidence)])
            counts = ", ".join(f"{count} {name}" for name, count in report["counts"].items() if count)
            self.account.fact(f"everything agrees: {escape(counts)}", good=True)
        with self.account.step("Audit a forged copy: one digit changed, “3 prints were granted”"):
            forged = copy.deepcopy(json.loads(evidence.read_text(encoding="utf-8")))
            forged["licences"][0]["licence"]["prints"] = PRINTS + 1
            path = self.state / "forged.json"
            path.write_text(json.dumps(forged), encoding="utf-8")
            try:
                self.stage.run([*words, "--evidence", str(path)])
            except RefusedError as refused:
                for finding in refused.problem["findings"][:2]:
                    self.account.fact(f"the audit names it: {escape(_sentence(finding))}", good=True)
            else:
                raise RefusedError("audit", {"message": "a forged evidence file passed the audit"})

    def _verify_offline(self, chain: dict[str, Any], certificate: Path) -> None:
        with self.account.step("Verify the part's certificate offline, as whoever holds the part would"):
            words = ["partvault", "certificate", "verify", str(certificate)]
            words += ["--rpc", chain["rpc_url"], "--contract", chain["contract"]]
            told = self.stage.run(words)
            passed = ", ".join(each["check"] for each in told["checks"])
            self.account.fact(f"genuine: {passed} agree", good=True)

    def search(self, tokens: list[str]) -> None:
        """Nothing readable was left behind by the service."""
        with self.account.step("Look for the part and the tokens in everything the service wrote"):
            plain = self.part.read_bytes()
            needles = [plain[len(plain) // 2 :][:64], *(token.encode() for token in tokens)]
            files = [path for path in (self.state / "data").rglob("*") if path.is_file()]
            found = [path.name for path in files if any(n in path.read_bytes() for n in needles)]
            if found:
                raise RefusedError("search", {"message": f"plaintext in {', '.join(found)}"})
            self.account.fact(f"{len(files)} files, no plaintext and no token in any", good=True)

    def _authorise(self, licence: dict[str, Any]) -> dict[str, Any]:
        words = ["partvault", "print", "authorise", "--licence", licence["id"]]
        return dict(self.stage.run([*words, "--printer", licence["printer_id"]], as_party=self.provider))

    def _print(self, print_id: str) -> dict[str, Any]:
        return dict(self.stage.run(["partvault", "print", "show", print_id], as_party=self.provider))


def _volume(mm3: float) -> str:
    return f"{mm3 / 1000:.2f} cm³" if mm3 >= 1000 else f"{mm3:.3g} mm³"


def _sentence(finding: dict[str, Any]) -> str:
    return ": ".join(str(finding[name]) for name in ("row", "field", "problem") if finding.get(name))


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third", 4: "fourth"}.get(number, f"{number}th")


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _default_part(folder: Path) -> Path:
    path = folder / "leg_cap.stl"
    maker = ROOT / "examples" / "parts" / "leg_cap.py"
    subprocess.run([sys.executable, maker, "-o", path], check=True, stdout=subprocess.DEVNULL)
    return path


def _refusal(account: Account, refused: RefusedError) -> int:
    account.console.print(f"\n[bold red]Refused[/] by `{escape(refused.command)}`: {escape(str(refused))}")
    reasons = refused.problem.get("reasons") or []
    for reason in reasons:
        account.fact(escape(str(reason.get("message", reason))), good=False)
    if refused.problem.get("remedy"):
        account.console.print(f"  [bold]What to do:[/] {escape(str(refused.problem['remedy']))}")
    return 1


def main() -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(description="The whole path of a print, on a real part.")
    parser.add_argument(
        "file", nargs="?", type=Path, help="your own .stl or .3mf; a furniture leg cap if absent"
    )
    asked = parser.parse_args().file
    if asked is not None and not asked.is_file():
        print(f"no file at {asked}: name an .stl or .3mf, as in make demo FILE=part.stl", file=sys.stderr)
        return 2
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    account = Account()
    account.console.print(
        "[bold]PartVault demo[/]: one real part, two licensed prints, and a count nobody can cheat."
    )
    with tempfile.TemporaryDirectory(prefix="partvault-demo-") as scratch:
        state = Path(scratch)
        part = asked.resolve() if asked else _default_part(OUTPUT)
        try:
            Demo(Stage(account, OUTPUT, environment(state)), part, state).play()
        except RefusedError as refused:
            return _refusal(account, refused)
    _summary(account)
    return 0


def _summary(account: Account) -> None:
    table = Table(title="What it leaves in demo-output/", title_justify="left", box=None, show_header=False)
    meanings = {
        "leg_cap.stl": "the part, made by examples/parts/leg_cap.py",
        "thumbnail.png": "its picture, drawn by the gate",
        "certificate.pdf": "goes with the first part; certificate.json is what its holder verifies",
        "evidence.json": "every statement with its signature and receipt; audit it with `partvault audit`",
        "service.log": "the service's log",
    }
    for name, meaning in meanings.items():
        if (OUTPUT / name).exists():
            table.add_row(f"  [cyan]{name}[/]", meaning)
    account.console.print()
    account.console.print(table)
    account.console.print(f"\n[bold green]Done[/] in {time.monotonic() - account.began:.1f} s.")


if __name__ == "__main__":
    sys.exit(main())
