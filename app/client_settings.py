"""Settings of the `partvault` command as a client: the one reader of its variables.

The service's own settings are in `app.settings`; both read PARTVAULT_DATA_DIR, so that on the operator's
machine the command finds the running service and the operator's key by itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.tokens import Token

DEFAULT_URL = "http://127.0.0.1:8000"
ANNOUNCEMENT = "service.json"
OPERATOR_KEY = "operator.key"


@dataclass(frozen=True)
class ClientSettings:
    """Where the service is and who asks.

    url: base URL without a trailing slash
    api_key: None where none was given
    account_file: key file of an account the organisation keeps itself
    data_dir: the service's data folder, for commands of the operator on the same machine
    owner_dir: what an owner keeps who holds the keys of its designs itself
    owner_keys: address of the key back end that wraps those keys; a keyring in owner_dir where None
    timeout_s: one HTTP exchange
    """

    url: str
    api_key: Token | None
    account_file: Path | None
    data_dir: Path
    owner_dir: Path
    owner_keys: str | None = None
    timeout_s: float = 120.0

    @classmethod
    def read(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        account_file: Path | None = None,
        data_dir: Path | None = None,
    ) -> ClientSettings:
        """Read PARTVAULT_URL, _API_KEY, _ACCOUNT_FILE, _DATA_DIR, _OWNER_DIR, _OWNER_KEYS; arguments win.

        Without a URL it is the one the service in the data folder announced, or http://127.0.0.1:8000;
        without an owner's folder it is `partvault/owner` in the user's configuration folder (XDG).
        """
        variables = os.environ if environ is None else environ
        folder = data_dir or Path(variables.get("PARTVAULT_DATA_DIR") or "data")
        key = api_key or variables.get("PARTVAULT_API_KEY")
        named = variables.get("PARTVAULT_ACCOUNT_FILE")
        return cls(
            url=(url or variables.get("PARTVAULT_URL") or announced_url(folder) or DEFAULT_URL).rstrip("/"),
            api_key=Token(key.strip()) if key else None,
            account_file=account_file or (Path(named) if named else None),
            data_dir=folder,
            owner_dir=Path(
                variables.get("PARTVAULT_OWNER_DIR") or _config_home(variables) / "partvault/owner"
            ),
            owner_keys=variables.get("PARTVAULT_OWNER_KEYS") or None,
        )

    @property
    def owner_keys_location(self) -> str:
        """Give the address of the owner's key back end."""
        return self.owner_keys or f"file:{self.owner_dir / 'keyring.json'}"

    def operator_key(self) -> Token | None:
        """Give the key asked for, or else the operator's own where this user may read it."""
        if self.api_key is not None:
            return self.api_key
        try:
            return Token((self.data_dir / OPERATOR_KEY).read_text(encoding="utf-8").strip())
        except OSError:
            return None


def _config_home(variables: Mapping[str, str]) -> Path:
    """Give the user's configuration folder (XDG Base Directory, section "Environment variables")."""
    named = Path(variables.get("XDG_CONFIG_HOME") or "")
    return named if named.is_absolute() else Path.home() / ".config"


def announced_url(data_dir: Path) -> str | None:
    """Give the URL that a running service wrote into its data folder, None where there is none."""
    try:
        said = json.loads((data_dir / ANNOUNCEMENT).read_text(encoding="utf-8"))
        os.kill(int(said["pid"]), 0)
        return str(said["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
