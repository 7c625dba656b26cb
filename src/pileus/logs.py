"""Structured logs: text for people, JSON for machines, each line of a request with the request's id.

Every part of the program logs through the standard library; what a line tells besides its message goes into `extra`.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "exc_text"}
ENCODER = msgspec.json.Encoder(enc_hook=str)


class JsonLines(logging.Formatter):
    """A line of JSON for each record: a request is logged in a few microseconds, as each of them is."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record's own facts first, then what was given as `extra`, then the trace."""
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        facts = record.__dict__
        for name in sorted(facts.keys() - STANDARD):
            line[name] = facts[name]
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return ENCODER.encode(line).decode()


def configure(level: str, form: str) -> None:
    """Send every log line to standard error in one form: `text`, `json`, or `auto` (text on a terminal)."""
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else _for_people())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("granian").setLevel(logging.WARNING)
    # No line tells its thread or process, so no record need find them out.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _for_people() -> logging.Formatter:
    import structlog  # noqa: PLC0415  # who writes JSON need not load what colours text

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.stdlib.ExtraAdder(),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
    )
