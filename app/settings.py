"""Settings of the service: the one reader of PARTVAULT_* variables, and what production refuses."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import AppError, Kind

_CHECKOUT_ANVIL = Path(__file__).parents[1] / "contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"


class Environment(StrEnum):
    """Where the service runs."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class UnsafeSettings(AppError):  # noqa: N818 - it names what was found
    """Production was asked for with settings that are only good enough for development."""

    kind = Kind.CONFIGURATION


@dataclass(frozen=True)
class Risk:
    """One setting that production refuses, and what to set instead."""

    name: str
    sentence: str


class Settings(BaseSettings):
    """Everything an operator may set; each field is read from `PARTVAULT_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="PARTVAULT_", extra="ignore", frozen=True)

    data_dir: Path = Path("data")
    environment: Environment = Environment.DEVELOPMENT
    accepted_risks: frozenset[str] = Field(
        default=frozenset(), description="Names of production refusals the operator accepts (JSON list)"
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    public_url: str | None = Field(
        default=None, description="URL clients see: DPoP proofs are bound to it, certificates lead to it"
    )

    database_url: str | None = Field(
        default=None, description="SQLAlchemy URL; SQLite in the data folder if unset"
    )
    database_connections_max: int = Field(
        default=32, ge=4, description="connections to a database server that this process keeps at most"
    )
    objects: str | None = Field(
        default=None, description="local:/path or memory:; in the data folder if unset"
    )
    keys: str | None = Field(default=None, description="file:/path; in the data folder if unset")

    rpc_url: str | None = Field(
        default=None, description="EVM JSON-RPC endpoints, comma separated; the embedded chain if unset"
    )
    rpc_agreement: int | None = Field(
        default=None, ge=1, description="how many endpoints must agree; all of two, all but one of more"
    )
    contract: str | None = Field(default=None, description="address of the print ledger at that endpoint")
    relay_key: SecretStr | None = Field(
        default=None, description="hex key of the account that pays; made if unset"
    )
    confirmations: int = Field(default=1, ge=1)
    anvil: Path | None = Field(default=None, description="the anvil program of the embedded chain")

    attestation_ca_file: Path | None = Field(
        default=None, description="certificates of TPM manufacturers to trust (PEM); none if unset"
    )

    token_ttl_s: int = Field(default=900, ge=1, le=86_400)
    claim_grace_s: int = Field(default=300, ge=0, description="how long a claim outlives its token")
    enrolment_ttl_s: int = Field(default=86_400, ge=1)
    redeem_timeout_s: float = Field(default=10.0, gt=0)
    redeem_retry_s: int = Field(
        default=3600, ge=1, description="how long the same retry gets the same answer"
    )
    outcome_due_s: int = Field(
        default=30 * 86_400,
        ge=1,
        description="how long after its redemption a print without outcome is overdue",
    )
    ledger_timeout_s: float = Field(
        default=10.0, gt=0, description="how long other requests wait for the chain"
    )
    proof_window_s: int = Field(default=60, ge=1, le=600, description="how far a proof's iat may be off")
    idempotency_ttl_s: int = Field(default=86_400, ge=60)

    upload_bytes_max: int = Field(default=4 * 1024**3, ge=1)
    upload_queue_chunks_max: int = Field(default=8, ge=1)
    upload_chunk_bytes: int = Field(default=256 * 1024, ge=4096)
    body_bytes_max: int = Field(default=1024**2, ge=1024, description="largest JSON body")

    rate_limit_per_s: float = Field(
        default=500.0, ge=0, description="requests a second that one credential may keep up; 0: no limit"
    )
    rate_limit_burst: int = Field(default=5000, ge=1, description="requests it may make at once")
    anonymous_rate_limit_per_s: float = Field(
        default=100.0, ge=0, description="the same for one address without valid credentials; 0: no limit"
    )
    anonymous_rate_limit_burst: int = Field(default=2000, ge=1)
    rate_limit_entries_max: int = Field(
        default=65_536, ge=1, description="credentials, and addresses, that are counted at one time"
    )
    trusted_proxies: str = Field(
        default="127.0.0.1", description="addresses or networks whose X-Forwarded-For is believed"
    )

    worker: bool = Field(default=True, description="inspect in this process; else run `partvault worker`")
    inspect_lease_s: float = Field(default=15.0, gt=0)
    inspect_attempts_max: int = Field(default=3, ge=1)
    inspect_seconds_max: float = Field(
        default=20.0, gt=0, description="for a small file; larger ones get more"
    )
    worker_interval_s: float = Field(default=0.5, gt=0)
    threads_max: int = Field(default=64, ge=4, description="requests handled at one time")
    log_level: str = "INFO"

    @property
    def database_location(self) -> str:
        """Give the SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir / 'partvault.sqlite'}"

    @property
    def objects_location(self) -> str:
        """Give the object store in force."""
        return self.objects or f"local:{self.data_dir / 'objects'}"

    @property
    def keys_location(self) -> str:
        """Give the key back end in force."""
        return self.keys or f"file:{self.data_dir / 'keyring.json'}"

    @property
    def rpc_urls(self) -> tuple[str, ...]:
        """Give the endpoints of the chain, none where it is embedded."""
        return tuple(url.strip() for url in (self.rpc_url or "").split(",") if url.strip())

    @property
    def embedded_chain(self) -> bool:
        """Tell whether the service runs its own chain."""
        return not self.rpc_urls

    def anvil_program(self) -> Path:
        """Find the anvil program: the setting, the checkout's own, or the search path."""
        if self.anvil is not None:
            return self.anvil
        if _CHECKOUT_ANVIL.exists():
            return _CHECKOUT_ANVIL
        found = shutil.which("anvil")
        if found is None:
            raise UnsafeSettings(
                "the embedded chain needs the anvil program and none was found",
                remedy="run `make install`, set PARTVAULT_ANVIL, or PARTVAULT_RPC_URL for another chain",
            )
        return Path(found)

    def risks(self) -> tuple[Risk, ...]:
        """List every setting that is not known to be fit for production."""
        return tuple(risk for unfit, risk in self._judged() if unfit)

    def require_safe(self) -> None:
        """Refuse to go on where production would run with development settings.

        Raises UnsafeSettings naming each of them.
        """
        if self.embedded_chain != (self.contract is None):
            raise UnsafeSettings(
                "PARTVAULT_RPC_URL and PARTVAULT_CONTRACT belong together; one of them is missing",
                remedy="set both to use a network, or neither for the embedded chain",
            )
        endpoints, agreement = len(self.rpc_urls), self.rpc_agreement
        if agreement is not None and not endpoints < 2 * agreement <= 2 * endpoints:
            raise UnsafeSettings(
                f"PARTVAULT_RPC_AGREEMENT is {agreement} of {endpoints} endpoints, which is no majority",
                remedy="set more than half of the endpoints in PARTVAULT_RPC_URL, or leave it out",
            )
        if self.public_url is not None and not _is_base_url(self.public_url):
            raise UnsafeSettings(
                f"PARTVAULT_PUBLIC_URL is {self.public_url}, not the address of a service",
                remedy="write it as https://vault.example, without user, query or fragment",
            )
        if self.environment is not Environment.PRODUCTION:
            return
        refused = [risk for risk in self.risks() if risk.name not in self.accepted_risks]
        if refused:
            listed = "; ".join(f"{risk.name}: {risk.sentence}" for risk in refused)
            raise UnsafeSettings(
                f"production refuses these settings: {listed}",
                remedy="change each, or name it in PARTVAULT_ACCEPTED_RISKS with your reasons on file",
            )

    def _judged(self) -> tuple[tuple[bool, Risk], ...]:
        keys, objects = self.keys_location.partition(":")[0], self.objects_location.partition(":")[0]
        database = self.database_location.partition(":")[0].partition("+")[0]
        https = self.public_url is not None and urlsplit(self.public_url).scheme == "https"
        fit_keys, fit_objects = {"awskms", "vault", "pkcs11"}, {"local", "s3"}
        return (
            (
                keys not in fit_keys,
                Risk("file-keyring", f"PARTVAULT_KEYS is {keys}:…, keys beside the data they open"),
            ),
            (
                self.embedded_chain,
                Risk("embedded-chain", "PARTVAULT_RPC_URL is not set: a chain nobody else witnesses"),
            ),
            (not https, Risk("public-url", f"PARTVAULT_PUBLIC_URL is {self.public_url}, not an https URL")),
            (
                objects not in fit_objects,
                Risk("objects", f"PARTVAULT_OBJECTS is {objects}:…, which is not durable"),
            ),
            (
                database not in {"sqlite", "postgresql"},
                Risk("database", f"PARTVAULT_DATABASE_URL is {database}:…"),
            ),
            (":memory:" in self.database_location, Risk("database-in-memory", "the database is not durable")),
            (self.log_level.upper() == "DEBUG", Risk("debug-log", "PARTVAULT_LOG_LEVEL is DEBUG")),
        )


def _is_base_url(text: str) -> bool:
    """Tell whether clients can be sent to paths below a URL."""
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and not set(text) & set(' "<>\\^`{|}')
    return known and plain and not (parts.query or parts.fragment or "@" in parts.netloc)
