"""Structured logs: text for people, JSON for machines, each line with its request's id."""

import logging
import sys
from typing import Any

import structlog



def configure(level: str, form: str) -> None:
    """Send every log line to standard error in one form: `text`, `json`, or `auto` (text on a terminal)."""
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    render: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.stdlib.ExtraAdder(),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([structlog.processors.format_exc_info] if as_json else []),
                render,
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("granian").setLevel(logging.WARNING)
