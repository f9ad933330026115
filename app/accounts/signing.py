"""Signatures of organisations: made with a managed account's wrapped key, or supplied by an external one.

Either way the signature is verified before it goes anywhere. An external account may be a contract.
"""

from __future__ import annotations

import hmac

from sqlmodel import Session

from app import submission
from app.custody import wraps
from app.errors import Conflict, Invalid, InvalidSignature
from app.models import Organisation
from app.wiring import Services
from ledger.errors import SignatureError
from ledger.signer import AccountKey
from ledger.typed_data import Statement, digest, recover_signer
from storage.envelope import ObjectContext
from storage.secret import DataKey

MANAGED, EXTERNAL = "managed", "external"


def _context(organisation_id: str) -> ObjectContext:
    return ObjectContext(tenant=organisation_id, object_id=organisation_id, version=1, kind="account")


def new_managed_account(session: Session, services: Services, organisation_id: str) -> str:
    """Make an account and keep its key, wrapped and bound to the organisation; gives its address."""
    account, context = AccountKey.generate(), _context(organisation_id)
    with DataKey(account.reveal()) as secret:
        wrapped = services.keys.wrap(secret, context)
    wraps.keep(session, services.keys, context, wrapped, services.clock.now())
    return account.address


def address_of(organisation: Organisation) -> str:
    """Give the account's address; Conflict for an organisation without one."""
    if organisation.address is None:
        raise Conflict(
            f"{organisation.name} has no account that could sign", remedy="use an owner or a provider"
        )
    return organisation.address


def signature_of(
    services: Services, organisation: Organisation, statement: Statement, supplied: bytes | None
) -> bytes:
    """Give a verified signature of the organisation over the statement.

    That is one by the account's key or, where the account is a contract, one that the contract accepts now
    (ERC-1271). Raises Invalid where an external account's signature is missing, InvalidSignature where it is
    another's, ChainError where a contract cannot be asked.
    """
    signed, address = digest(services.ledger.domain, statement), address_of(organisation)
    signature = supplied if supplied is not None else _sign(services, organisation, signed)
    against = _against(address, signed, signature)
    if against is None or (supplied is not None and _accepted(services, organisation, signed, signature)):
        return signature
    raise InvalidSignature(
        f"{against}, and there is no contract wallet at {address} that accepts it",
        field="signature",
        remedy=f"sign this {type(statement).__name__} as EIP-712 typed data with the account {address}",
    )


def _against(address: str, signed: bytes, signature: bytes) -> str | None:
    """Say why a signature is not by the account's key, None where it is."""
    try:
        signer = recover_signer(signed, signature)
    except SignatureError as error:
        return f"the signature cannot be read: {error}"
    same = hmac.compare_digest(signer.encode(), address.encode())
    return None if same else f"the signature recovers to {signer}, not to {address}"


def _accepted(services: Services, organisation: Organisation, signed: bytes, signature: bytes) -> bool:
    """Ask the chain whether the account is a contract that accepts the signature; never in a transaction."""
    address = address_of(organisation)
    if organisation.account_type != EXTERNAL:
        return False
    return submission.ask(lambda: services.ledger.wallet_accepts(address, signed, signature))


def _sign(services: Services, organisation: Organisation, signed: bytes) -> bytes:
    if organisation.account_type != MANAGED:
        raise Invalid(
            f"{organisation.name} keeps its own key, so this request needs its signature",
            field="signature",
            remedy="sign the EIP-712 typed data and send it as r ‖ s ‖ v in hex",
        )
    context = _context(organisation.id)
    with services.database.read() as session:
        wrapped = wraps.get(session, context)
    with services.keys.unwrap(wrapped, context) as secret:
        return AccountKey.from_bytes(secret.reveal()).sign(signed)
