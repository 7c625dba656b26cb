"""Structured logs: text for people or JSON for programs. Each line of a request has the request's id.

All modules log through the standard library; `extra` holds the fields of a line.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

STANDARD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "exc_text"}
ENCODER = msgspec.json.Encoder(enc_hook=str)


class JsonLines(logging.Formatter):
    """Formats each record as a line of JSON, in a few microseconds."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the standard fields first, then those of `extra`, then the traceback."""
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        fields = record.__dict__
        for name in sorted(fields.keys() - STANDARD_FIELDS):
            line[name] = fields[name]
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return ENCODER.encode(line).decode()


def configure(level: str, log_format: str) -> None:
    """Log to standard error as `text`, `json` or `auto` (text on a terminal, else JSON)."""
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else make_text_formatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # It would log each connection that is not HTTP: a client could fill the log.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    # Its pool logs each attempt to connect; store/postgres_connections.py logs when an outage begins and ends.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    # It would log each request of a seed file, which the server logs too.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # No format uses the thread or process, so records need not look them up.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def make_text_formatter() -> logging.Formatter:
    """Return the format for people: a line, with its fields, and a plain traceback."""
    import structlog  # noqa: PLC0415  # only the text format needs it

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.stdlib.ExtraAdder(),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # The default formatter renders the local variables of every frame: that takes minutes, and shows secrets.
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
    )
