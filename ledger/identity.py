"""Which contract on which chain a database belongs to: founded or pinned once, held to ever after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak
from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from ledger import tables
from ledger.abi import artifact, is_print_ledger
from ledger.chain import Chain
from ledger.errors import LedgerError
from ledger.signer import AccountKey
from ledger.transaction import Offer, contract_address, sign_transaction
from ledger.writing import writing

EMBEDDED_CHAIN_ID: Final = 20566
EMBEDDED_MAX_FEE: Final = 100_000_000_000
EMBEDDED_TIP: Final = 1_000_000_000
_DEPLOYMENT_GAS: Final = 6_000_000


class IdentityMismatch(LedgerError):  # noqa: N818 - it names what was found
    """The node serves another chain or contract than this database belongs to; nothing is issued on it."""

    kind = "ledger_identity"


@dataclass(frozen=True)
class ChainIdentity:
    """The row of `ledger_chain`. `genesis_time` only for the embedded chain, `code_hash` None before its
    first run.
    """

    chain_id: int
    contract: str
    code_hash: bytes | None
    first_block: int
    embedded: bool
    genesis_time: int | None


def load(connection: Connection) -> ChainIdentity | None:
    """Return the identity this database has, None if it has none yet."""
    row = connection.execute(select(tables.chain)).mappings().first()
    if row is None:
        return None
    return ChainIdentity(
        chain_id=row["chain_id"],
        contract=row["contract"],
        code_hash=row["code_hash"],
        first_block=row["first_block"],
        embedded=row["embedded"],
        genesis_time=row["genesis_time"],
    )


def found(engine: Engine, relay_key: AccountKey, clock: Callable[[], float]) -> ChainIdentity:
    """Return the embedded chain's identity, founding the chain if there is none.

    Founding fixes the genesis time and stores the signed deployment as the relay account's transaction 0, so
    the contract's address follows from the relay's.
    """
    contract = contract_address(relay_key.address, 0)
    with writing(engine) as connection:
        known = load(connection)
        if known is None:
            known = _found(connection, relay_key, contract, now=clock())
    if not known.embedded:
        raise IdentityMismatch("this database belongs to a remote chain; set its RPC URL and contract again")
    if known.contract != contract:
        raise IdentityMismatch(
            f"the contract {known.contract} was deployed by another relay key than the configured one, whose "
            f"contract would be {contract}; restore the key this database was founded with"
        )
    return known


def _found(connection: Connection, relay_key: AccountKey, contract: str, *, now: float) -> ChainIdentity:
    offer = Offer(gas=_DEPLOYMENT_GAS, max_fee=EMBEDDED_MAX_FEE, tip=EMBEDDED_TIP)
    signed = sign_transaction(
        relay_key, chain_id=EMBEDDED_CHAIN_ID, nonce=0, to=None, data=artifact().bytecode, offer=offer
    )
    identity = ChainIdentity(EMBEDDED_CHAIN_ID, contract, None, 0, embedded=True, genesis_time=int(now))
    _insert(connection, identity)
    connection.execute(
        insert(tables.transactions).values(
            hash=signed.hash,
            nonce=0,
            attempt=0,
            raw=signed.raw,
            block_time=int(now),
            max_fee=offer.max_fee,
            tip=offer.tip,
            gas=offer.gas,
            signed_at=now,
        )
    )
    return identity


def pin(engine: Engine, chain: Chain, contract: str, *, first_block: int) -> ChainIdentity:
    """Hold a remote node to the identity this database has, or take its identity as ours the first time.

    Raises IdentityMismatch if the chain id or the code differs, or if the code is not the print ledger.
    """
    chain_id, code = chain.chain_id(), chain.code(contract)
    with writing(engine) as connection:
        known = load(connection)
        if known is None:
            if not is_print_ledger(code):
                raise IdentityMismatch(f"the code at {contract} on chain {chain_id} is not the print ledger")
            pinned = ChainIdentity(chain_id, contract, keccak(code), first_block, False, None)
            known = _insert(connection, pinned)
    if (known.embedded, known.contract) != (False, contract):
        raise IdentityMismatch(f"this database belongs to contract {known.contract}, not to {contract}")
    check_node(known, chain_id, code)
    return known


def check_node(known: ChainIdentity, chain_id: int, code: bytes) -> None:
    """Raise IdentityMismatch if a node's chain id or the code it shows is not the one pinned."""
    if chain_id != known.chain_id:
        raise IdentityMismatch(f"the node serves chain {chain_id}, this database belongs to {known.chain_id}")
    if known.code_hash is not None and keccak(code) != known.code_hash:
        raise IdentityMismatch(f"the code at {known.contract} is not the one this database belongs to")


def keep_code_hash(engine: Engine, code: bytes) -> None:
    """Pin the code that the embedded chain's deployment made."""
    with writing(engine) as connection:
        unset = tables.chain.c.code_hash.is_(None)
        connection.execute(update(tables.chain).where(unset).values(code_hash=keccak(code)))


def _insert(connection: Connection, identity: ChainIdentity) -> ChainIdentity:
    """Store the identity; return the one that stands there, which another process may have stored first."""
    insert_first = insert_postgresql if connection.dialect.name == "postgresql" else insert_sqlite
    row = insert_first(tables.chain).values(
        id=1,
        chain_id=identity.chain_id,
        contract=identity.contract,
        code_hash=identity.code_hash,
        first_block=identity.first_block,
        embedded=identity.embedded,
        genesis_time=identity.genesis_time,
    )
    connection.execute(row.on_conflict_do_nothing(index_elements=["id"]))
    return load(connection) or identity
