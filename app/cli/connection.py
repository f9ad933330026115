"""How a command reaches the service as someone: settings, key, account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.failures import CliError, Exit
from app.client_settings import ClientSettings

if TYPE_CHECKING:
    from app.cli.account import Account
    from app.cli.service_client import ServiceClient


@dataclass(frozen=True)
class Connection:
    """An open client with the settings it came from."""

    settings: ClientSettings
    client: ServiceClient

    def me(self) -> dict[str, Any]:
        """Give whom the key belongs to."""
        found: dict[str, Any] = self.client.get("/v1/me")
        return found

    def account(self) -> Account | None:
        """Give the account that signs here: None where the service keeps it for the organisation.

        Raises CliError where the organisation keeps its own account and its file is missing or another's.
        """
        from app.cli.account import Account

        me = self.me()
        registered = me.get("account") or {}
        if registered.get("type") != "external":
            return None
        if self.settings.account_file is None:
            raise CliError(
                "no_account_file",
                f"{me['name']} keeps its own account {registered['address']}, and no key file was given",
                "name it with --account-file or PARTVAULT_ACCOUNT_FILE",
                exit_code=Exit.UNUSABLE,
            )
        account = Account.load(self.settings.account_file)
        if account.address != registered["address"]:
            raise CliError(
                "wrong_account",
                f"the key file holds {account.address}, {me['name']} is {registered['address']}",
                "use the file that `org create` wrote",
                exit_code=Exit.UNUSABLE,
            )
        return account


@contextmanager
def connect(
    url: str | None, api_key: str | None, account_file: Path | None = None, *, operator: bool = False
) -> Iterator[Connection]:
    """Open the service; `operator` takes the operator's key from the data folder where no key is given."""
    from app.cli.service_client import ServiceClient

    settings = ClientSettings.read(url=url, api_key=api_key, account_file=account_file)
    key = settings.operator_key() if operator else settings.api_key
    if key is None:
        raise CliError(
            "no_api_key",
            "no API key was given",
            "set PARTVAULT_API_KEY" + (", or run this where the data folder is" if operator else ""),
            exit_code=Exit.UNUSABLE,
        )
    with ServiceClient(settings, key) as client:
        yield Connection(settings, client)
