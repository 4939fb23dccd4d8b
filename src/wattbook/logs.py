"""Log events: one line each, a constant name and fields; JSON where no person is looking."""

import logging
import sys
from typing import Any, TextIO

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer


def configure(level: str, *, stream: TextIO | None = None) -> None:
    """Send events at `level` and above to stderr, for people on a terminal, as JSON elsewhere."""
    stream = stream or sys.stderr
    look: Any = (
        structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Without the values of variables: they are large, and some are secrets.
            ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            look,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
