"""`partvault design`: parts, their versions and files, for owners."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import resemblances
from app.cli.measures import measures
from app.cli.options import AccountFile, ApiKey, Json, Url, group
from app.cli.output import console, fields, findings, plain, say, show, table

if TYPE_CHECKING:
    from app.cli.connection import Connection
    from app.cli.upload import Part

commands = group("design", "Parts and their versions (owner)")
commands.command()(resemblances.similar)

_HOLDERS = {"service": "the service", "owner": "its owner alone"}
Wait = Annotated[float, typer.Option("--timeout", help="Seconds to wait for inspection or ledger", min=0)]
Demands = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=VALUE, repeatable: wall_mm_min, gap_mm_min, overhang_degrees_max,"
        " cavities, overlaps (allow, warn, refuse), rotations (none, about_z, any_axis, any),"
        " canonical (true)"
    ),
]
LimitsFile = Annotated[
    Path | None,
    typer.Option(
        help="JSON file: limits of the machine that G-code was made for", exists=True, dir_okay=False
    ),
]
RevisionId = Annotated[str, typer.Argument(help="The revision (rev_…)")]


class Custody(StrEnum):
    """Who holds the data keys of a design."""

    SERVICE = "service"
    OWNER = "owner"


@commands.command()
def upload(
    file: Annotated[
        Path,
        typer.Argument(
            help="The print file (.stl, .3mf, .gcode, …)", exists=True, dir_okay=False, readable=True
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the design [the file's stem]")] = None,
    design: Annotated[str | None, typer.Option(help="Add a version to this design (dsn_…)")] = None,
    custody: Annotated[
        Custody | None,
        typer.Option(
            help="service: it encrypts and inspects; owner: you do, here, and it never has the key [service]"
        ),
    ] = None,
    process: Annotated[
        str, typer.Option(help="ISO/ASTM 52900: MEX, VPP, PBF-LB, BJT, MJT, DED, SHL")
    ] = "MEX",
    material: Annotated[str | None, typer.Option(help="Material, such as PLA")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE; repeatable")
    ] = None,
    build_volume: Annotated[str | None, typer.Option(help="mm, as 250x210x220")] = None,
    units: Annotated[str | None, typer.Option(help="Unit of an STL: micron, mm, cm, inch, foot, m")] = None,
    require: Demands = None,
    machine: LimitsFile = None,
    publish: Annotated[bool, typer.Option("--publish", help="Publish once it is ready")] = False,
    timeout: Wait = 300.0,
    url: Url = None,
    api_key: ApiKey = None,
    account_file: AccountFile = None,
    as_json: Json = False,
) -> None:
    """Upload a file as a new version, wait for its inspection, and show what the gate found.

    With --custody owner it is inspected and encrypted here. Back up the owner's folder (PARTVAULT_OWNER_DIR)
    and the key back end (PARTVAULT_OWNER_KEYS): without them nobody opens it again.
    """
    from app.cli.connection import connect
    from app.cli.recipes import json_file, pairs, volume
    from app.cli.sealed_upload import CUSTODY, custody_for
    from app.cli.upload import Part

    recipe = {
        "process": process,
        "material": material,
        "parameters": pairs(parameter or [], "--parameter"),
        "build_volume_mm": volume(build_volume) if build_volume else None,
        "units": units,
        "machine": json_file(machine) if machine else None,
        **pairs(require or [], "--require"),
    }
    part = Part(
        file=file,
        name=name or file.stem,
        design_id=design,
        recipe={key: value for key, value in recipe.items() if value is not None},
    )
    with connect(url, api_key, account_file) as connection:
        held = custody_for(connection.settings, custody, design) == CUSTODY
        upload_part = _upload_sealed if held else _upload_open
        revision = upload_part(connection, part, publish=publish, timeout_s=timeout, as_json=as_json)
    if as_json:
        show(True, revision, draw_revision)
    elif publish:
        _draw_published(revision)


def _upload_open(
    connection: Connection, part: Part, *, publish: bool, timeout_s: float, as_json: bool
) -> dict[str, Any]:
    """Let the service encrypt and inspect it."""
    from app.cli.upload import Upload, require_ready

    work = Upload(connection, quiet=as_json, timeout_s=timeout_s)
    revision = work.inspected(work.send(part))
    if not as_json:
        draw_revision(revision)
    require_ready(revision)
    if not publish:
        return revision
    known = {
        "revision_id": revision["id"],
        "custody": "service",
        "sha256": work.sha256,
        "bytes": part.file.stat().st_size,
        "recipe": revision["recipe"],
    }
    return work.published(revision, known)


def _upload_sealed(
    connection: Connection, part: Part, *, publish: bool, timeout_s: float, as_json: bool
) -> dict[str, Any]:
    """Inspect and encrypt it here."""
    from app.cli.owner_vault import OwnerVault
    from app.cli.sealed_upload import SealedUpload
    from app.cli.upload import Upload
    from mesh_tools.sandbox import Sandbox

    with Sandbox() as sandbox:
        vault = OwnerVault.open(connection.settings)
        work = SealedUpload(connection, vault, sandbox, quiet=as_json)
        revision = work.send(part)
    if not as_json:
        draw_revision(revision)
    if publish:
        publishing = Upload(connection, quiet=as_json, timeout_s=timeout_s)
        revision = publishing.published(revision, work.expected)
    work.ended()
    return revision


@commands.command("list")
def list_(url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """List your designs with their versions."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        designs = connection.client.pages("/v1/designs")
        for design in designs:
            design["revisions"] = connection.client.pages(f"/v1/designs/{design['id']}/revisions")
    show(as_json, designs, _draw_designs)


@commands.command("show")
def show_(
    row_id: Annotated[str, typer.Argument(help="A revision (rev_…) or a design (dsn_…)")],
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Show a version, or a design with its versions."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        if row_id.startswith("dsn_"):
            found = connection.client.get(f"/v1/designs/{row_id}")
            found["revisions"] = connection.client.pages(f"/v1/designs/{row_id}/revisions")
            show(as_json, found, lambda value: _draw_designs([value]))
            return
        found = connection.client.get(f"/v1/revisions/{row_id}")
    show(as_json, found, draw_revision)


@commands.command()
def publish(
    revision_id: RevisionId,
    timeout: Wait = 60.0,
    url: Url = None,
    api_key: ApiKey = None,
    account_file: AccountFile = None,
    as_json: Json = False,
) -> None:
    """Put a version's commitment on the ledger."""
    from app.cli.connection import connect
    from app.cli.sealed_upload import expectation
    from app.cli.upload import Upload

    with connect(url, api_key, account_file) as connection:
        work = Upload(connection, quiet=as_json, timeout_s=timeout)
        shown = connection.client.get(f"/v1/revisions/{revision_id}")
        revision = work.published(shown, expectation(connection.settings, revision_id, shown))
    show(as_json, revision, _draw_published)


@commands.command()
def thumbnail(
    revision_id: RevisionId,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG file [REVISION.png]")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Save the picture of a version."""
    from app.cli.connection import connect
    from app.cli.downloads import save

    path = output or Path(f"{revision_id}.png")
    with connect(url, api_key) as connection:
        size = save(connection.client, f"/v1/revisions/{revision_id}/thumbnail", path, quiet=as_json)
    show(as_json, {"path": str(path), "bytes": size}, lambda _: say(f"{plain(path)}  {size} bytes"))


@commands.command()
def recover(
    revision_id: RevisionId,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="New file [its own name]")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Bring back a file whose key you hold: the service's ciphertext, opened here with your key."""
    from app.cli.connection import connect
    from app.cli.owner_vault import OwnerVault
    from app.cli.recovery import recover as bring_back

    with connect(url, api_key) as connection:
        revision = connection.client.get(f"/v1/revisions/{revision_id}")
        path = output or Path(Path(str((revision.get("file") or {}).get("filename") or revision_id)).name)
        size = bring_back(connection, OwnerVault.open(connection.settings), revision, path, quiet=as_json)
    show(as_json, {"path": str(path), "bytes": size}, lambda _: say(f"{plain(path)}  {size} bytes"))


def draw_revision(revision: dict[str, Any]) -> None:
    """Print a version: file, verdict, findings, commitment."""
    file, inspection = revision.get("file") or {}, revision.get("inspection") or {}
    values: dict[str, object] = {
        "state": revision["state"],
        "design": revision["design_id"],
        "key held by": _HOLDERS[revision["custody"]],
    }
    if file:
        values["file"] = (
            f"{file['filename']}, {file['bytes']} bytes, {file.get('format') or 'format unknown'}"
        )
        values["sha256"] = file["sha256"]
    values |= measures(inspection)
    values |= _sampled(inspection.get("geometry") or {})
    for name in ("commitment", "revision_hash"):
        if revision.get(name):
            values[name] = revision[name]
    if revision.get("receipt"):
        values["receipt"] = _receipt(revision["receipt"])
    fields(f"{revision['id']}  version {revision['number']}", values)
    if inspection:
        findings(inspection.get("findings") or [])


def _sampled(geometry: dict[str, Any]) -> dict[str, object]:
    """What rays and normals told of a part that was closed."""
    values: dict[str, object] = {}
    for name, title in (("wall_mm", "thinnest wall"), ("gap_mm", "narrowest gap")):
        if geometry.get(name):
            values[title] = f"{geometry[name][0]:.3g} mm, a hundredth below {geometry[name][1]:.3g} (sampled)"
    if geometry.get("overhang_share"):
        values["overhanging"] = f"{geometry['overhang_share']:.1%} of the surface"
    return values


def _draw_published(revision: dict[str, Any]) -> None:
    receipt = revision.get("receipt")
    values: dict[str, object] = {"state": revision["state"], "on the ledger as": revision["revision_hash"]}
    fields(revision["id"], {**values, "receipt": _receipt(receipt) if receipt else None})


def _draw_designs(designs: list[dict[str, Any]]) -> None:
    rows = [{"design": design, "revision": row} for design in designs for row in design["revisions"] or [{}]]
    columns = {
        "design": lambda row: row["design"]["id"],
        "name": lambda row: row["design"]["name"],
        "version": lambda row: row["revision"].get("number"),
        "revision": lambda row: row["revision"].get("id"),
        "key held by": lambda row: row["design"]["custody"],
        "state": lambda row: row["revision"].get("state"),
        "file": lambda row: (row["revision"].get("file") or {}).get("filename"),
    }
    console().print(table(rows, columns))


def _receipt(receipt: dict[str, Any]) -> str:
    return f"block {receipt['block_number']}, transaction {receipt['transaction']}"
