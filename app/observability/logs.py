"""JSON logs, one event a line, with the request id; events name rows and never carry secrets.

A last processor blanks what looks like a credential, so that a slip in an event's fields shows nothing.
"""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO, cast

import structlog

_CREDENTIAL = re.compile(r"\b(pv|pvt|pve)_[0-9A-Za-z_]{16,}|\b(Bearer|DPoP)\s+\S+|\beyJ[0-9A-Za-z_.-]{16,}")


def configure(level: str) -> None:
    """Send structlog's events, and those of `logging`, as JSON lines to the standard error stream."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            blank_credentials,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _StandardError())),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _Forward)] + [_Forward()]
    root.setLevel(number)
    logging.getLogger("alembic").setLevel(max(number, logging.WARNING))


class _Forward(logging.Handler):
    """Hands records of `logging` (the libraries', uvicorn's) to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as an event."""
        logger = structlog.get_logger().bind(logger=record.name)
        logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def blank_credentials(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Replace whatever looks like an API key, token, code or proof."""
    return {key: _blank(value) for key, value in event.items()}


def _blank(value: Any) -> Any:
    if isinstance(value, str):
        return _CREDENTIAL.sub("***", value)
    if isinstance(value, Mapping):
        return {key: _blank(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_blank(item) for item in value]
    return value


class _StandardError(io.TextIOBase):
    """The standard error stream of the moment, so that redirecting it later still works."""

    def write(self, text: str, /) -> int:
        """Write to the stream of now."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush the stream of now."""
        sys.stderr.flush()
