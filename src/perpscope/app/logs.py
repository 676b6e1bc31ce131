r"""Where log lines go: stderr for people, and a file with rotation where one is set.

What a venue or a user sent may stand in a line; control characters are written out (`\x1b`, `\n`), so that one event
is one line and none can be forged, and values that look like secrets are left out. Lines of libraries that use
`logging` end in the same file. Rotation is for one process a file: give each its own.
"""

import logging
import os
import re
import sys
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

import structlog
from structlog.typing import EventDict, WrappedLogger

from perpscope.errors import ConfigError
from perpscope.settings import Log

_HIDDEN_NAMES = (
    r"(?:[a-z_-]*(?:secret|passw(?:or)?d|passphrase|token|api[_-]?key|private[_-]?key|signature|cookie|ticket))"
)
_HIDDEN_NAME = re.compile(_HIDDEN_NAMES, re.IGNORECASE)
_SECRET_VALUE = re.compile(
    rf"""(\b{_HIDDEN_NAMES}["']?\s*[:=]\s*["']?)[^\s"'&,;}}]+|(\b(?:bearer|basic)\s+)[\w.~+/=-]{{8,}}|(/bot\d+:)[\w-]+"""
    rf"""|(://)[^\s"']*(?=@)|(\bpps_[0-9a-f]{{8}}_)[0-9a-f]+""",
    re.IGNORECASE,
)
_HIDDEN = "***"
#: C0, DEL, C1, line and paragraph separators, and marks that reverse the direction of text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_TRACE = "exception"  # structlog's name for a rendered traceback
_FIRST = ("timestamp", "level", "event")


class LogFile(RotatingFileHandler):
    """A log file that only its owner reads; a full disk costs lines, never the program."""

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=keep, encoding="utf-8")
        self.setFormatter(OneLine("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
        self._has_complained = False

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802, RUF100 -- logging's own name
        """Say once that lines are lost."""
        if not self._has_complained:
            self._has_complained = True
            print(f"log file {self.baseFilename}: {sys.exc_info()[1]}; lines are lost", file=sys.stderr)

    def keep_line(self, line: str) -> None:
        """Write one line; from any thread."""
        self.handle(logging.makeLogRecord({"msg": line, "is_line": True}))


class OneLine(logging.Formatter):
    """One record, one line, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, traceback and all."""
        return str(record.msg) if getattr(record, "is_line", False) else harmless(super().format(record))


class _Libraries(logging.StreamHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """What libraries have to say, on stderr."""


def set_up(settings: Log) -> None:
    """Send log lines where the settings say; in place of whatever was set before.

    Raises:
        ConfigError: "log-file", it cannot be written.
    """
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, LogFile | _Libraries)]:
        root.removeHandler(handler)
        handler.close()
    file = _open_file(settings) if settings.file else None
    if file is not None:
        libraries = _Libraries(sys.stderr)
        libraries.setLevel(logging.WARNING)
        libraries.setFormatter(OneLine("%(levelname)s %(name)s: %(message)s"))
        root.addHandler(file)
        root.addHandler(libraries)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_harm,
            *([] if file is None else [_Kept(file)]),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        logger_factory=_on_stderr,
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        cache_logger_on_first_use=False,
    )


def _on_stderr(*_: object) -> structlog.PrintLogger:
    """Prints to what stderr is now: it may have been replaced since the settings were read."""
    return structlog.PrintLogger(sys.stderr)


def harmless(text: str, *, lines: bool = False) -> str:
    r"""Text without control characters and secrets.

    Args:
        text: from wherever.
        lines: whether it may go over several lines.

    >>> harmless("redis://:pw@host pps_0a1b2c3d_ffff")
    'redis://***@host pps_0a1b2c3d_***'
    >>> harmless("a\nb\x1b[31m"), harmless("GET /x?apiKey=k1&signature=ab12 HTTP")
    ('a\\nb\\x1b[31m', 'GET /x?apiKey=***&signature=*** HTTP')
    """
    kept = _SECRET_VALUE.sub(lambda match: f"{match[match.lastindex or 0]}{_HIDDEN}", text)
    return _CONTROL.sub(lambda match: match[0] if lines and match[0] in "\n\t" else repr(match[0])[1:-1], kept)


def _without_harm(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {harmless(name): _harmless_value(name, value) for name, value in event.items()}


def _harmless_value(name: str, value: object) -> object:
    if name not in _FIRST and _HIDDEN_NAME.fullmatch(name):
        return _HIDDEN
    if value is None or isinstance(value, bool | int | float):
        return value
    return harmless(value if isinstance(value, str) else repr(value), lines=name == _TRACE)


class _Kept:
    """Writes each event to the file as well, on one line."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        level = str(event.get("level", "")).upper()
        rest = (f" {name}={_cell(value)}" for name, value in event.items() if name not in _FIRST)
        self._file.keep_line(harmless(f"{event['timestamp']} {level:<7} {event.get('event', '')}{''.join(rest)}"))
        return event


def _cell(value: object) -> str:
    text = str(value)
    return f'"{text}"' if not text or " " in text else text


def _open_file(settings: Log) -> LogFile:
    path = Path(settings.file).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return LogFile(path, settings.max_bytes, settings.keep)
    except OSError as error:
        raise ConfigError(
            "log-file", f"log.file {settings.file!r} cannot be written: {error.strerror}", hint="name another file"
        ) from error
