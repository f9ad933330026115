"""The `partvault` command: the service's processes, every role's daily work, the audit.

One module a noun; what a command needs is imported when it runs, so that help is instant. Exit codes are
those of `app.cli.failures`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from app.cli import (
    api_keys,
    audit,
    certificates,
    chain,
    designs,
    evidence,
    key_versions,
    licences,
    meshes,
    organisations,
    plates,
    printers,
    prints,
    secure_content,
    shreddings,
    start,
    transfers,
    vault,
)
from app.cli.failures import Exit, translate
from app.cli.options import Version
from app.cli.output import fail

app = typer.Typer(
    name="partvault",
    help="A secure inventory for 3D printing: encrypted designs, licences, prints counted by a ledger.",
    epilog="Exit codes: 0 done · 1 refused · 2 usage, or not reachable · 3 not final yet",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(version: Version = False) -> None:  # its callback answers
    """Take what stands before the command."""


app.command()(start.serve)
app.command()(start.worker)
key_versions.commands.command()(shreddings.shred)
meshes.commands.command("open")(secure_content.open_)
meshes.commands.command()(secure_content.secure)
prints.commands.command()(certificates.certificate)
for transferring in (transfers.consent, transfers.transfer, transfers.transfers):
    licences.commands.command()(transferring)
for noun in (
    organisations,
    api_keys,
    key_versions,
    vault,
    designs,
    licences,
    printers,
    prints,
    plates,
    certificates,
    chain,
    meshes,
):
    app.add_typer(noun.commands)
app.command()(evidence.evidence)
app.command()(audit.audit)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command, by default with the process's arguments; always ends by SystemExit.

    Every expected failure is a sentence with a remedy (as JSON with --json) and a documented exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(given, prog_name="partvault")
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except Exception as error:
        known = translate(error)
        if known is None:
            raise
        fail(known, as_json="--json" in given)
        sys.exit(known.exit_code)
    sys.exit(Exit.DONE)
