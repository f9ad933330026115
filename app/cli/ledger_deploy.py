"""`partvault ledger deploy`: the print ledger on a network of the operator's choice, with its own key."""

from __future__ import annotations

import stat
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.cli.audit_remote import require_answer
from app.cli.failures import CliError, Exit, usage
from app.cli.progress import waiting
from app.settings import Settings
from ledger import deployment
from ledger.chain import ChainError
from ledger.deployment import Deployment, DeploymentPending, NetworkUnfit
from ledger.errors import LedgerError
from ledger.signer import AccountKey
from ledger.web3_chain import Web3Chain

_WEI_IN_ETHER = Decimal(10) ** 18


def deploy(
    settings: Settings,
    rpc_url: str,
    key_file: Path | None,
    *,
    confirmations: int,
    timeout_s: float,
    quiet: bool,
) -> dict[str, Any]:
    """Deploy the contract, or find the one that the key's account deployed before, and say what to set.

    Raises CliError: exit 1 where the network lacks something or the account cannot pay, 2 where nothing
    answers or no key was given, 3 where a transaction was not final in time.
    """
    key = _key(settings, key_file)
    chain = Web3Chain.http(rpc_url)
    require_answer(chain, rpc_url)
    try:
        with waiting("looking at the network", quiet=quiet) as say:
            done = deployment.deploy(chain, key, confirmations=confirmations, timeout_s=timeout_s, say=say)
    except NetworkUnfit as unfit:
        raise CliError(str(unfit.kind), str(unfit), "correct that and run this again") from None
    except DeploymentPending as pending:
        remedy = "run this again with the same key; it waits for what was sent and sends nothing twice"
        raise CliError(str(pending.kind), str(pending), remedy, exit_code=Exit.PENDING) from None
    except ChainError as error:
        remedy = "check the endpoint and run this again with the same key"
        raise CliError(str(error.kind), str(error), remedy, exit_code=Exit.UNUSABLE) from None
    return _said(done, rpc_url, confirmations)


def _key(settings: Settings, path: Path | None) -> AccountKey:
    """Read the key from its file, or else the setting; never from the command line."""
    if path is not None:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise usage(f"{path} has mode {mode:04o}, others can read the key", f"chmod 600 {path}")
        text = path.read_text(encoding="utf-8").strip()
    elif settings.relay_key is not None:
        text = settings.relay_key.get_secret_value()
    else:
        raise usage("no key was given", "set PARTVAULT_RELAY_KEY, or name a file with --key-file")
    try:
        return AccountKey.from_bytes(bytes.fromhex(text.removeprefix("0x")))
    except (ValueError, LedgerError):
        raise usage("the key is no account key", "give 32 bytes in hexadecimal") from None


def _said(done: Deployment, rpc_url: str, confirmations: int) -> dict[str, Any]:
    values = asdict(done)
    values["code_hash"] = "0x" + done.code_hash.hex()
    values["transaction"] = None if done.transaction is None else "0x" + done.transaction.hex()
    values["print_fee_ether"] = format(done.print_fee_wei / _WEI_IN_ETHER, "f")
    values["print_fee_wei"] = str(done.print_fee_wei)
    return {
        **values,
        "deployed_now": done.transaction is not None,
        "settings": {
            "PARTVAULT_RPC_URL": rpc_url,
            "PARTVAULT_CONTRACT": done.contract,
            "PARTVAULT_CONFIRMATIONS": str(confirmations),
        },
    }
