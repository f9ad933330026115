"""The `partvault-printer` command.

Exit codes: 0 done; 1 the answer is no (refused by service, ledger, verification, gate or printer, or a check
of `doctor` failed); 2 usage, not enrolled, unsafe home, or the service cannot be reached.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from printer_agent.particulars import Particulars
    from printer_agent.settings import Settings

_REFUSED, _UNUSABLE = 1, 2

app = typer.Typer(
    name="partvault-printer",
    help="The agent beside a printer: redeems tokens, verifies, decrypts in memory, checks, prints, reports.",
    epilog="Exit codes: 0 done · 1 refused · 2 usage, not enrolled or service unreachable",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Home = Annotated[
    Path | None,
    typer.Option("--home", help="The agent's folder [PARTVAULT_PRINTER_HOME, ~/.partvault-printer]"),
]
Watch = Annotated[
    Path | None,
    typer.Option("--watch", help="The folder the printer watches [PARTVAULT_PRINTER_WATCH, HOME/watch]"),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, nothing else")]
Serials = Annotated[list[str] | None, typer.Option("--serial", help="Serial number of a piece, repeatable")]
Batch = Annotated[str | None, typer.Option(help="Batch or lot of the material, over machine.json's")]
Mass = Annotated[str | None, typer.Option(help="Mass in grams, such as 12.41")]
Measures = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        help='Measured result, repeatable: "bore=22.04 mm [22.0..22.1] @caliper 3"',
        metavar="TEXT",
    ),
]
ParticularsFile = Annotated[
    Path | None,
    typer.Option("--particulars", help="JSON file with serials, batch, mass_g, measurements", dir_okay=False),
]


class Outcome(StrEnum):
    """How a print ends; `later` leaves it to `partvault-printer report`."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LATER = "later"


class Verdict(StrEnum):
    """How an operator says a print ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("partvault"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[  # its callback answers
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit"),
    ] = False,
) -> None:
    """Take what stands before the command."""


@app.command()
def enrol(
    url: Annotated[str, typer.Option("--url", help="The service's address, pinned from now on")],
    code: Annotated[str, typer.Option("--code", help="The provider's one-time code; `-` reads stdin")],
    home: Home = None,
    keys: Annotated[
        str | None, typer.Option(help="Where keys are made: file:, pkcs11:token=…;object=… or tpm2: [file:]")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="MLKEM768-X25519, X25519 or P-256; devices hold P-256")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="Refuse any other provider's address")] = None,
    model: Annotated[str | None, typer.Option(help="What the machine is")] = None,
    build_volume: Annotated[str | None, typer.Option(help="mm, as 250x210x220")] = None,
    process: Annotated[list[str] | None, typer.Option(help="ISO/ASTM 52900 process, repeatable")] = None,
    material: Annotated[list[str] | None, typer.Option(help="Material, repeatable; none accepts all")] = None,
    as_json: Json = False,
) -> None:
    """Make this printer's keys and enrol them; the provider then approves."""
    from printer_agent.enrol_command import MachineWishes, enrol_home
    from printer_agent.terminal import print_json

    with _failing(as_json):
        wishes = MachineWishes(model, build_volume, tuple(process or ()), tuple(material or ()))
        settings = _settings(home)
        found = enrol_home(
            settings, url, _secret(code), suite=suite, provider=provider, machine=wishes, keys=keys
        )
        if as_json:
            print_json(found)
            return
        _say(f"[green]✓[/] enrolled as [bold]{found['printer_id']}[/] at {found['url']}")
        _say(f"  printer   {found['printer_hash']}")
        _say(f"  key       {found['key_thumbprint']}")
        _say(f"  keys      {found['keys']}, {found['sealing_suite']}")
        _say(f"  provider  {found['provider']}")
        _say(f"  ledger    {found['domain']['contract']} on chain {found['domain']['chain_id']}")
        _say("  → compare key and provider with the provider, who then runs `partvault printer approve`")


@app.command()
def rotate(
    code: Annotated[
        str, typer.Option("--code", help="The provider's code for the rotation; `-` reads stdin")
    ],
    home: Home = None,
    keys: Annotated[
        str | None, typer.Option(help="Where the new keys are made [where the old ones are]")
    ] = None,
    suite: Annotated[str | None, typer.Option(help="The new sealing key's suite [the old one's]")] = None,
    as_json: Json = False,
) -> None:
    """Make new keys beside the old and enrol them; the provider approves, then `run` goes over to them.

    Run it again after a failure: it goes on where it stopped. Prints of the old keys are finished by them.
    """
    from printer_agent.rotation import rotate as rotate_keys
    from printer_agent.terminal import print_json

    with _failing(as_json):
        found = rotate_keys(_settings(home), _secret(code), keys=keys, suite=suite)
        if as_json:
            print_json(found)
            return
        _say(f"[green]✓[/] new keys are enrolled as [bold]{found['printer_id']}[/]")
        _say(f"  key       {found['key_thumbprint']}")
        _say(f"  keys      {found['keys']}, {found['sealing_suite']}")
        _say(f"  succeeds  {found['predecessor_id']}")
        if found["switched"]:
            _say("  → they are in use; the old keys finish what they began")
        else:
            _say("  → compare the key with the provider, who then runs `partvault printer approve`")


@app.command(name="print")
def print_(
    token: Annotated[str, typer.Argument(help="The print token; `-` reads it from stdin")],
    home: Home = None,
    watch: Watch = None,
    result: Annotated[
        Outcome, typer.Option(help="Reported once the machine has the file")
    ] = Outcome.COMPLETED,
    serial: Serials = None,
    batch: Batch = None,
    mass: Mass = None,
    measure: Measures = None,
    particulars: ParticularsFile = None,
    as_json: Json = False,
) -> None:
    """Redeem one print token and print what it releases; the same token again continues after a failure."""
    from ledger.typed_data import Result
    from printer_agent.assembly import open_agent
    from printer_agent.print_token import PrintToken
    from printer_agent.rotation import acting_for
    from printer_agent.terminal import ProgressWatcher, console, print_json

    with _failing(as_json):
        said = _particulars(serial, batch, mass, measure, particulars)
        intended = None if result is Outcome.LATER else Result[result.name]
        settings, secret = _settings(home, watch), PrintToken(_secret(token))
        identity = acting_for(settings, secret)
        with (
            ProgressWatcher(console(), quiet=as_json) as watcher,
            open_agent(settings, watcher, identity=identity) as agent,
        ):
            summary = agent.print(secret, intended, said)
        if as_json:
            print_json(summary.to_json())
            return
        _say(f"[green]✓[/] print [bold]{summary.print_id}[/] {summary.state}: {summary.detail}")
        if summary.outcome is None:
            _say("  → the outcome is not on the ledger yet: see `partvault-printer status`")


@app.command()
def report(
    print_id: Annotated[str, typer.Argument(help="The print (job_…), as `status` lists it")],
    result: Annotated[Verdict, typer.Option(help="How it ended")],
    home: Home = None,
    detail: Annotated[str, typer.Option(help="A sentence for the report")] = "reported by the operator",
    serial: Serials = None,
    batch: Batch = None,
    mass: Mass = None,
    measure: Measures = None,
    particulars: ParticularsFile = None,
    as_json: Json = False,
) -> None:
    """Give the outcome of a print that was delivered with `--result later`, or whose report was refused."""
    from ledger.typed_data import Result
    from printer_agent.assembly import open_agent
    from printer_agent.rotation import identity_of
    from printer_agent.terminal import print_json

    with _failing(as_json):
        said = _particulars(serial, batch, mass, measure, particulars)
        settings = _settings(home)
        with open_agent(settings, identity=identity_of(settings, print_id)) as agent:
            summary = agent.report(print_id, Result[result.name], detail, said)
        if as_json:
            print_json(summary.to_json())
        else:
            _say(f"[green]✓[/] print [bold]{print_id}[/] {summary.state}: {result}")


@app.command()
def cancel(
    print_id: Annotated[str, typer.Argument(help="The print (job_…), as `status` lists it")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Ask that a running print be cancelled; the agent that follows it, or its next start, passes it on."""
    from printer_agent.clock import Clock
    from printer_agent.journal import Journal
    from printer_agent.terminal import print_json

    with _failing(as_json):
        with Journal.open(_settings(home).home) as journal:
            journal.ask_cancel(print_id, Clock().seconds())
        if as_json:
            print_json({"print_id": print_id, "cancel": "asked"})
            return
        _say(f"[green]✓[/] print [bold]{print_id}[/] will be cancelled")


@app.command()
def run(
    home: Home = None,
    watch: Watch = None,
    once: Annotated[bool, typer.Option("--once", help="Take what waits, then stop")] = False,
    as_json: Json = False,
) -> None:
    """Print every token dropped into HOME/inbox, follow prints to their end and send outcomes, until stopped.

    After SIGTERM or Ctrl-C a print that runs on its host goes on; the next start follows it again.
    """
    import signal
    from threading import Event

    from printer_agent import inbox
    from printer_agent.terminal import ProgressWatcher, console, print_json, show_error

    def tell(taken: inbox.Taken) -> None:
        if taken.error is not None:
            show_error(console(), taken.error, as_json=as_json)
        elif as_json and taken.summary is not None:
            print_json(taken.summary.to_json())

    with _failing(as_json):
        settings, stop = _settings(home, watch), Event()
        with ProgressWatcher(console(), quiet=as_json) as watcher:
            if once:
                taken = inbox.take(settings, watcher)
                for item in taken:
                    tell(item)
                if any(item.error for item in taken):
                    raise typer.Exit(_REFUSED)
                return
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
            _say(f"waiting for tokens in {inbox.inbox_of(settings.home)}")
            inbox.run(settings, stop, tell, watcher)


@app.command()
def status(home: Home = None, as_json: Json = False) -> None:
    """Show identity, prints and outcomes of this printer; works offline."""
    from printer_agent.status import describe, table
    from printer_agent.terminal import console, print_json

    with _failing(as_json):
        found = describe(_settings(home))
        if as_json:
            print_json(found)
        else:
            console().print(table(found))


@app.command()
def doctor(home: Home = None, watch: Watch = None, as_json: Json = False) -> None:
    """Check identity, keys, journal, driver, host folder, memory, service and clock, and say what to do."""
    from printer_agent.doctor import examine
    from printer_agent.terminal import print_json

    with _failing(as_json):
        checks = list(examine(_settings(home, watch)))
        if as_json:
            print_json({"ok": all(check.ok for check in checks), "checks": [vars(check) for check in checks]})
        else:
            for check in checks:
                _say(f"{'[green]✓[/]' if check.ok else '[red]✗[/]'} {check.name:<13} {check.found}")
                if not check.ok and check.remedy:
                    _say(f"  → {check.remedy}")
        if not all(check.ok for check in checks):
            raise typer.Exit(_REFUSED)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, by default on the process's arguments; plaintext passes here, so no core dumps."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    app(arguments, prog_name="partvault-printer")


@contextmanager
def _failing(as_json: bool) -> Iterator[None]:
    """Turn the agent's errors into a sentence with a remedy and an exit code."""
    from printer_agent.errors import AgentError, IdentityError, KeysUnavailable, SettingsError, Unreachable
    from printer_agent.terminal import console, show_error

    try:
        yield
    except AgentError as error:
        show_error(console(), error, as_json=as_json)
        unusable = isinstance(error, IdentityError | KeysUnavailable | SettingsError | Unreachable)
        raise typer.Exit(_UNUSABLE if unusable else _REFUSED) from None


def _particulars(
    serials: list[str] | None,
    batch: str | None,
    mass: str | None,
    measures: list[str] | None,
    file: Path | None,
) -> Particulars:
    from printer_agent.particulars import read

    return read(serials=serials or (), batch=batch, mass=mass, measures=measures or (), file=file)


def _settings(home: Path | None, watch: Path | None = None) -> Settings:
    from printer_agent.settings import Settings

    return Settings.read(home=home, watch=watch)


def _secret(text: str) -> str:
    """Take a secret from the argument, or from stdin where it is `-`, so that no process list shows it."""
    return sys.stdin.readline().strip() if text == "-" else text


def _say(text: str) -> None:
    from printer_agent.terminal import console

    console().print(text, highlight=False, soft_wrap=True)
