"""`partvault printer`: machines of a provider, from enrolment to retirement."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from app.cli.options import AccountFile, ApiKey, Json, Url, group
from app.cli.output import console, fields, plain, say, show, table

commands = group("printer", "Machines and their keys (provider)")
PrinterId = Annotated[str, typer.Argument(help="The printer (prt_…)")]


@commands.command()
def enrol(
    name: Annotated[str, typer.Argument(help="What you call the machine")],
    model: Annotated[str, typer.Option(help="Make and model")] = "printer",
    build_volume: Annotated[str, typer.Option(help="mm, as 250x210x220")] = "220x220x250",
    process: Annotated[
        list[str] | None, typer.Option(help="ISO/ASTM 52900 process; repeatable [MEX]")
    ] = None,
    material: Annotated[list[str] | None, typer.Option(help="Material; repeatable; none accepts all")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Add a machine; shows the one-time code for `partvault-printer enrol` beside it."""
    from app.cli.connection import connect
    from app.cli.recipes import volume

    machine = {
        "model": model,
        "build_volume_mm": volume(build_volume),
        "processes": process or ["MEX"],
        "materials": material or [],
    }
    with connect(url, api_key) as connection:
        made = connection.client.post("/v1/printers", {"name": name, "machine": machine})
        made["command"] = _command(connection.client.url, made["enrolment_code"], machine)
    show(as_json, made, _draw_enrolment)


@commands.command("list")
def list_(url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """List your printers."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        rows = connection.client.pages("/v1/printers")
    show(as_json, rows, _draw_rows)


@commands.command("show")
def show_(printer_id: PrinterId, url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """Show a printer and the thumbprint of its key."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        found = connection.client.get(f"/v1/printers/{printer_id}")
    show(as_json, found, draw)


@commands.command()
def approve(
    printer_id: PrinterId,
    thumbprint: Annotated[
        str | None, typer.Option(help="Refuse any key but the one with this thumbprint")
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    account_file: AccountFile = None,
    as_json: Json = False,
) -> None:
    """Put the printer's key on the ledger, after comparing its thumbprint with the machine's own display.

    `printer show` tells beforehand what its device attests, and of a rotation which printer it succeeds.
    """
    from app.cli.connection import connect
    from app.cli.failures import CliError
    from app.cli.grant import show_final
    from app.cli.statements import enrolment_of, sign_enrolment

    with connect(url, api_key, account_file) as connection:
        shown = connection.client.get(f"/v1/printers/{printer_id}")
        enrolment_of(shown)
        if thumbprint is not None and shown["key_thumbprint"] != thumbprint:
            raise CliError(
                "wrong_key",
                f"printer {printer_id} has the key {shown['key_thumbprint']}, the machine shows {thumbprint}",
                "do not approve it: someone else used the code",
            )
        signature = sign_enrolment(connection, connection.account(), shown)
        body = {"signature": signature} if signature else None
        approved = connection.client.post(f"/v1/printers/{printer_id}/approve", body)
    drawn = partial(_draw_approved, own_account=signature is not None)
    show_final(as_json, approved, drawn, f"partvault printer show {printer_id}")


@commands.command()
def rotate(printer_id: PrinterId, url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """Let a printer's keys rotate; shows the one-time code for `partvault-printer rotate` beside it.

    A licence that lists printers does not cover the new keys: ask its owner for one that lists them.
    """
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        made = connection.client.post(f"/v1/printers/{printer_id}/rotate")
        made["command"] = f"partvault-printer rotate --code {made['enrolment_code']}"
    show(as_json, made, _draw_enrolment)


@commands.command()
def facts(
    printer_id: PrinterId,
    site: Annotated[str | None, typer.Option(help="Where the machine stands, in the words of terms")] = None,
    qualification: Annotated[list[str] | None, typer.Option(help="One it holds now; repeatable")] = None,
    export_label: Annotated[list[str] | None, typer.Option(help="One it is cleared for; repeatable")] = None,
    calibrated_at: Annotated[int | None, typer.Option(help="Last calibration, Unix time in seconds")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """State what terms are held to, in place of all that was stated before; recorded with its time."""
    from app.cli.connection import connect

    stated = {
        "site": site,
        "qualifications": qualification or [],
        "export_labels": export_label or [],
        "calibrated_at": calibrated_at,
    }
    with connect(url, api_key) as connection:
        found = connection.client.put(f"/v1/printers/{printer_id}/facts", stated)
    show(as_json, found, draw)


@commands.command()
def retire(
    printer_id: PrinterId,
    url: Url = None,
    api_key: ApiKey = None,
    account_file: AccountFile = None,
    as_json: Json = False,
) -> None:
    """Retire a printer on the ledger, for good.

    After a rotation, `printer show` of the old printer tells when that is due and whose it is to do.
    """
    from app.cli.connection import connect
    from app.cli.grant import show_final
    from app.cli.statements import sign_retirement

    with connect(url, api_key, account_file) as connection:
        shown = connection.client.get(f"/v1/printers/{printer_id}")
        signature = sign_retirement(connection, connection.account(), shown)
        body = {"signature": signature} if signature else None
        retired = connection.client.post(f"/v1/printers/{printer_id}/retire", body)
    show_final(as_json, retired, draw, f"partvault printer show {printer_id}")


@commands.command()
def quarantine(
    printer_id: PrinterId,
    reason: Annotated[str, typer.Option(help="Why; shown to the provider and the operator")],
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Stop a printer at once: nothing is authorised for it or released to it until `lift`."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        stopped = connection.client.post(f"/v1/printers/{printer_id}/quarantine", {"reason": reason})
    show(as_json, stopped, draw)


@commands.command()
def lift(printer_id: PrinterId, url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """Lift a printer's quarantine."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        freed = connection.client.post(f"/v1/printers/{printer_id}/lift")
    show(as_json, freed, draw)


@commands.command("alarms")
def alarms_(url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """List impossible uses of your printers' keys and tokens: replayed proofs, wrong keys, two places."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        rows = connection.client.pages("/v1/alarms")
    show(as_json, rows, _draw_alarms)


def draw(printer: dict[str, Any]) -> None:
    """Print a printer."""
    machine, receipt = printer["machine"], printer.get("retirement_receipt") or printer.get("receipt")
    held = printer.get("quarantine")
    sides = " × ".join(f"{side:g}" for side in machine["build_volume_mm"])
    fields(
        f"{printer['id']}  {printer['name']}",
        {
            "state": printer["state"],
            "quarantine": f"since {held['since']}: {held['reason']}" if held else None,
            "machine": f"{machine['model']}, {sides} mm, {', '.join(machine['processes'])}",
            "materials": ", ".join(machine["materials"]) or "any",
            **_stated(machine),
            "key": printer.get("key_thumbprint"),
            **_attested(printer["attestation"]),
            **_related(printer),
            "retirement": _retirement(printer),
            "on the ledger": printer.get("printer_hash"),
            "receipt": f"block {receipt['block_number']}, transaction {receipt['transaction']}"
            if receipt
            else None,
        },
    )


def _attested(attestation: dict[str, Any]) -> dict[str, str | None]:
    """What the device shows of its keys: all of it, or what and what not."""
    if attestation["format"] == "none":
        return {"attestation": "none"}
    whole = "complete: the keys are in a TPM of a maker that this service trusts"
    lines = {"attestation": whole if attestation["complete"] else "not complete, compare the key yourself"}
    for word, claims in (("shown", attestation["verified"]), ("not shown", attestation["unverified"])):
        lines |= {f"{word}: {claim['claim']}": claim["detail"] for claim in claims}
    return {**lines, "endorsement": attestation["endorsement"]}


def _stated(machine: dict[str, Any]) -> dict[str, str]:
    """What the provider stated of the machine, where it did."""
    lists = {name.replace("_", " "): machine.get(name) or [] for name in ("qualifications", "export_labels")}
    said = {"site": machine.get("site") or "", **{name: ", ".join(words) for name, words in lists.items()}}
    return {name: text for name, text in said.items() if text}


def _related(printer: dict[str, Any]) -> dict[str, str]:
    """The same machine's printers before and after a rotation of its keys."""
    related = {"succeeds": printer.get("predecessor_id"), "succeeded by": printer.get("successor_id")}
    return {word: other for word, other in related.items() if other}


def _retirement(printer: dict[str, Any]) -> str | None:
    """What is to happen to a printer whose keys rotated; None where nothing is."""
    retirement = printer.get("retirement")
    if retirement is None or not printer.get("successor_id"):
        return None
    if retirement["by_service"]:
        return "by the service, when nothing of it is under way"
    command = f"partvault printer retire {printer['id']}"
    return f"due: {command}" if retirement["due"] else f"when nothing of it is under way: {command}"


def _state(printer: dict[str, Any]) -> str:
    retirement = printer.get("retirement")
    due = retirement is not None and retirement["due"] and not retirement["by_service"]
    return f"{printer['state']}, to be retired" if due else str(printer["state"])


def _draw_approved(printer: dict[str, Any], *, own_account: bool) -> None:
    """Print what was approved; who signs for itself retires the printer before by itself, too."""
    draw(printer)
    before = printer.get("predecessor_id")
    if before and own_account:
        say(
            f"  then, when nothing of {plain(before)} is under way:  partvault printer retire {plain(before)}"
        )


def _command(url: str, code: str, machine: dict[str, Any]) -> str:
    sides = "x".join(f"{side:g}" for side in machine["build_volume_mm"])
    processes = "".join(f" --process {name}" for name in machine["processes"])
    return f"partvault-printer enrol --url {url} --code {code} --build-volume {sides}{processes}"


def _draw_enrolment(made: dict[str, Any]) -> None:
    values = {"state": made["state"], "code": made["enrolment_code"], "until": made["expires_at"]}
    fields(f"{made['id']}  {made['name']}", values)
    say(f"  beside the machine:  {plain(made['command'])}")
    say(f"  then here:           partvault printer approve {plain(made['id'])}")


def _draw_alarms(rows: list[dict[str, Any]]) -> None:
    columns = {
        "last": lambda row: row["last_at"],
        "printer": lambda row: row["printer_id"],
        "kind": lambda row: row["kind"],
        "count": lambda row: row["count"],
        "detail": lambda row: row["detail"],
    }
    console().print(table(rows, columns))


def _draw_rows(rows: list[dict[str, Any]]) -> None:
    columns = {
        "id": lambda row: row["id"],
        "name": lambda row: row["name"],
        "state": _state,
        "model": lambda row: row["machine"]["model"],
        "processes": lambda row: ", ".join(row["machine"]["processes"]),
        "key": lambda row: row.get("key_thumbprint"),
    }
    console().print(table(rows, columns))
