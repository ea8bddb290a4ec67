"""What Lodestore tells while it works: the logger ``lodestore``.

Lines go to standard error, so that a program's output stays its own (``DJ_LOG_STREAM=stdout`` for the
other), from the level that
``DJ_LOG_LEVEL`` or ``config.loglevel`` says. A program that has set up logging for itself gets them
in its own way instead.
"""

import functools
import logging
import os
import sys

#: The level of what is told of each key that is computed, between DEBUG and INFO.
JOBS = 15
logging.addLevelName(JOBS, "JOBS")

logger = logging.getLogger("lodestore")
logger.jobs = functools.partial(logger.log, JOBS)


class _Handler(logging.StreamHandler):
    """Writes to the stream that is standard error when a line is written."""

    def __init__(self):
        logging.Handler.__init__(self)

    @property
    def stream(self):
        return sys.stdout if os.environ.get("DJ_LOG_STREAM", "").lower() == "stdout" else sys.stderr

    def emit(self, record):
        if not logging.getLogger().handlers:
            super().emit(record)

    def format(self, record):
        time = logging.Formatter().formatTime(record, "%Y-%m-%d %H:%M:%S")
        level = (
            f"[{record.levelname}]:" if record.levelno >= logging.WARNING or record.levelno == JOBS else ""
        )
        return f"[{time}]{level} {record.getMessage()}"


def adopt(name):
    """Shows what is told to another logger as what is told to this one."""
    other = logging.getLogger(name)
    if not any(isinstance(handler, _Handler) for handler in other.handlers):
        other.addHandler(_Handler())
        other.setLevel(logger.level)


logger.addHandler(_Handler())
_level = os.environ.get("DJ_LOG_LEVEL", "").upper()
# An unknown level is told when the settings are loaded, not by failing to import.
logger.setLevel(_level if _level in logging.getLevelNamesMapping() else logging.INFO)
