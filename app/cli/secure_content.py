"""`partvault mesh secure` and `partvault mesh open`: encrypted 3MF packages (Secure Content), no service."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.mesh_policy import BuildVolume, PolicyFile, Process, Units, policy_of
from app.cli.options import Json
from app.cli.output import coloured, emit, fields, findings, plain, say

if TYPE_CHECKING:
    from mesh_tools.errors import Refused
    from mesh_tools.gate import Policy
    from mesh_tools.inspect import Inspection
    from mesh_tools.sandbox import Sandbox
    from mesh_tools.secure_content.binding import Product
    from mesh_tools.secure_content.geometry_part import GeometryPart
    from mesh_tools.secure_content.keys import SigningKey
    from mesh_tools.secure_content.opening import Opened
    from mesh_tools.secure_content.sealing import Recipient

_KEY_BYTES_MAX = 64 * 1024
_MODEL = "model.3mf"


def secure(
    file: Annotated[Path, typer.Argument(help="Print file", exists=True, dir_okay=False, readable=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The encrypted package to write")],
    consumers: Annotated[
        list[str], typer.Option("--for", help="Public RSA key of a consumer, as KEY.pem or ID=KEY.pem")
    ],
    product: Annotated[str, typer.Option(help="What it is; stands in the package in plain text")],
    version: Annotated[str, typer.Option("--part-version", help="Which version of it; in plain text too")],
    sign: Annotated[Path | None, typer.Option(help="Your private P-256 key, PEM")] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Write a package nobody vouches for")] = False,
    policy: PolicyFile = None,
    process: Process = None,
    build_volume: BuildVolume = None,
    units: Units = None,
    as_json: Json = False,
) -> None:
    """Encrypt what passes the gate for consumers with RSA keys; exit code 1 where it does not pass."""
    from app.cli.failures import usage
    from app.cli.progress import waiting
    from mesh_tools.errors import Refused
    from mesh_tools.sandbox import Sandbox
    from mesh_tools.secure_content.binding import Product
    from mesh_tools.secure_content.sealing import seal_package

    if (sign is None) != unsigned:
        raise usage("say --sign KEY.pem, or --unsigned", "without a signature only --foreign opens it")
    wanted = policy_of(policy, process, build_volume, units)
    try:
        named, signer = Product(product, version), None if sign is None else _signing_key(sign)
        recipients = [_recipient(text) for text in consumers]
        with Sandbox() as sandbox, waiting(f"encrypting {file.name}", quiet=as_json):
            part = _validated(sandbox, file, wanted, as_json=as_json)
            package = seal_package(part, named, recipients, signer=signer)
    except Refused as refusal:
        raise _no(refusal) from None
    _save(out, package, mode=0o644)
    _show_sealed(out, package, named, recipients, signer, as_json=as_json)


def open_(
    file: Annotated[Path, typer.Argument(help="Package", exists=True, dir_okay=False, readable=True)],
    key: Annotated[Path, typer.Option(help="Your private RSA key, PEM", exists=True, dir_okay=False)],
    signer: Annotated[
        list[Path] | None, typer.Option(help="Public P-256 key of a signer you trust, PEM; may be repeated")
    ] = None,
    foreign: Annotated[
        bool, typer.Option("--foreign", help="Take a package of another program, which nobody vouches for")
    ] = False,
    product: Annotated[str | None, typer.Option(help="Refuse any other product")] = None,
    version: Annotated[str | None, typer.Option("--part-version", help="Refuse any other version")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the plain 3MF here")] = None,
    policy: PolicyFile = None,
    process: Process = None,
    build_volume: BuildVolume = None,
    as_json: Json = False,
) -> None:
    """Verify and decrypt a package in memory and have the gate judge it; exit code 1 where it is refused."""
    from app.cli.failures import Exit, usage
    from app.cli.progress import waiting
    from mesh_tools.errors import Refused
    from mesh_tools.sandbox import Sandbox
    from mesh_tools.secure_content.keys import ConsumerKey, TrustedSigner
    from mesh_tools.secure_content.opening import open_package
    from mesh_tools.secure_content.sandboxed import framing_reader

    if bool(signer) == foreign:
        raise usage("say --signer KEY.pem, or --foreign", "the signer's public key comes from the sender")
    expected = _expected(product, version, foreign=foreign)
    wanted = policy_of(policy, process, build_volume, None)
    try:
        secret = ConsumerKey.from_pem(*_private_pem(key))
        trusted = [TrustedSigner.from_pem(_pem(path)) for path in signer or ()]
        with closing(Sandbox()) as sandbox, waiting(f"opening {file.name}", quiet=as_json):
            opened = open_package(
                memoryview(_whole(file, sandbox.limits.file_bytes_max)), secret, framing_reader(sandbox),
                trusted=trusted, foreign=foreign, expected=expected, limits=sandbox.limits,
            )  # fmt: skip
            seen = sandbox.inspect([opened.package], filename=_MODEL, policy=wanted, pictures=False)
    except Refused as refusal:
        raise _no(refusal) from None
    if out is not None and seen.verdict == "pass":
        _save(out, opened.package, mode=0o600)
    _show_opened(file, opened, seen, as_json=as_json)
    if seen.verdict != "pass":
        raise typer.Exit(Exit.REFUSED)


def _validated(sandbox: Sandbox, file: Path, policy: Policy, *, as_json: bool) -> GeometryPart:
    """The geometry of `file`, once the gate has passed these very bytes."""
    from app.cli.failures import CliError
    from mesh_tools.secure_content.sandboxed import part_of_file

    data = _whole(file, sandbox.limits.file_bytes_max)
    seen = sandbox.inspect([data], filename=file.name, policy=policy, pictures=False)
    if seen.verdict != "pass":
        if not as_json:
            findings(found.to_json() for found in seen.findings)
        reasons = [found.to_json() for found in seen.reasons]
        raise CliError("refused", f"The gate refuses {file.name}.", "Repair the part first.", reasons=reasons)
    return part_of_file(sandbox, data, filename=file.name, unit_mm=policy.unit_mm)


def _whole(file: Path, bytes_max: int) -> bytes:
    from app.cli.failures import usage

    with file.open("rb") as stream:
        data = stream.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise usage(f"{file} has more than {bytes_max} bytes")
    return data


def _recipient(text: str) -> Recipient:
    from mesh_tools.secure_content.keys import ConsumerPublicKey
    from mesh_tools.secure_content.sealing import Recipient

    name, equals, path = text.rpartition("=")
    key = ConsumerPublicKey.from_pem(_pem(Path(path)))
    return Recipient(name if equals else key.fingerprint[:32], key)


def _signing_key(path: Path) -> SigningKey:
    from mesh_tools.secure_content.keys import SigningKey

    return SigningKey.from_pem(*_private_pem(path))


def _pem(path: Path) -> bytes:
    return _whole(path, _KEY_BYTES_MAX)


def _private_pem(path: Path) -> tuple[bytes, bytes | None]:
    """The key file's bytes, and its password where it has one."""
    pem = _pem(path)
    if b"ENCRYPTED" not in pem:
        return pem, None
    return pem, typer.prompt(f"Password of {path.name}", hide_input=True, err=True).encode()


def _expected(product: str | None, version: str | None, *, foreign: bool) -> Product | None:
    from app.cli.failures import usage
    from mesh_tools.secure_content.binding import Product

    if product is None and version is None:
        return None
    if product is None or version is None or foreign:
        raise usage("--product and --part-version go together", "and not with --foreign: nobody signed them")
    return Product(product, version)


def _save(target: Path, content: bytes, *, mode: int) -> None:
    """Write `target` whole or not at all, readable as `mode` says from its first byte."""
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _no(refusal: Refused) -> Exception:
    from app.cli.failures import CliError
    from mesh_tools.findings import finding

    found = finding(refusal.code, refusal.message)
    return CliError(refusal.code, refusal.message, found.advice, reasons=[found.to_json()])


def _show_sealed(
    out: Path,
    package: bytes,
    product: Product,
    recipients: list[Recipient],
    signer: SigningKey | None,
    *,
    as_json: bool,
) -> None:
    values: dict[str, Any] = {
        "file": str(out),
        "bytes": len(package),
        "product": product.name,
        "version": product.version,
        "consumers": [recipient.id for recipient in recipients],
        "signer": None if signer is None else signer.public.thumbprint,
    }
    if as_json:
        emit(values)
        return
    shown = {"consumers": ", ".join(values["consumers"]), "signer": values["signer"] or "nobody"}
    fields("Encrypted", {**values, **shown})


def _show_opened(file: Path, opened: Opened, seen: Inspection, *, as_json: bool) -> None:
    product = opened.product
    values = {
        "file": str(file),
        "product": None if product is None else product.name,
        "version": None if product is None else product.version,
        "signer": opened.signer,
        "encrypted_parts": list(opened.parts),
        "notices": list(opened.notices),
    }
    if as_json:
        emit({**values, "inspection": seen.to_json()})
        return
    say(f"{coloured(seen.verdict)}  [bold]{plain(file)}[/]")
    shown = {name: values[name] for name in ("product", "version", "signer")}
    fields("Opened", {**shown, "signer": opened.signer or "nobody"})
    for notice in opened.notices:
        say(f"  ! {plain(notice)}")
    findings(found.to_json() for found in seen.findings)
