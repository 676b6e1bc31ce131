"""Every error perpscope raises on purpose, in one tree.

    PerpscopeError
    ├── ConfigError          a setting, flag or argument is wrong: nothing was started
    ├── DataError            what was asked for is missing, stale or no recording
    │   └── TooLittle        a study has too little data to say anything
    ├── StoreError           the database cannot be opened, trusted or written
    ├── VenueError           an exchange, or what it sent
    │   ├── FrameError       one frame is not what the documentation says; the stream goes on
    │   ├── SequenceGap      the venue's own numbering shows that something is missing
    │   ├── RateLimited      the venue asked us to wait
    │   └── VenueUnreachable no connection, no answer or a refusal
    └── NotifyError          a way to tell people (Telegram, a webhook) refuses or cannot be reached

Each carries a stable `code` (the same in the CLI, the log and `docs/errors.md`), a sentence with the
value that was wrong, and a `hint`: the command or change that mends it.
"""

from typing import ClassVar


class PerpscopeError(Exception):
    """Base of the tree.

    Args:
        code: stable kebab-case name, listed in `docs/errors.md`.
        message: what happened, with the value.
        hint: what to do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class ConfigError(PerpscopeError):
    """A setting, flag or argument is wrong; nothing was started."""

    exit_code = 2


class DataError(PerpscopeError):
    """Data that was asked for is missing, stale or not what it should be."""

    exit_code = 3


class TooLittle(DataError):
    """A study has too little data to say anything; the message says what is missing."""

    exit_code = 5


class StoreError(PerpscopeError):
    """The database cannot be opened, trusted or written."""


class VenueError(PerpscopeError):
    """An exchange could not be used, or sent something we cannot use."""

    exit_code = 4

    def __init__(self, code: str, message: str, *, venue: str, hint: str | None = None) -> None:
        super().__init__(code, message, hint=hint)
        self.venue = venue


class FrameError(VenueError):
    """One frame or reply is not what the venue documents. Costs that frame only."""

    def __init__(self, message: str, *, venue: str) -> None:
        super().__init__("frame-invalid", message, venue=venue)


class SequenceGap(VenueError):
    """The venue's own numbering shows that at least one message is missing."""

    def __init__(self, message: str, *, venue: str, instrument: str) -> None:
        super().__init__("sequence-gap", message, venue=venue)
        self.instrument = instrument


class RateLimited(VenueError):
    """The venue asked us to wait (HTTP 429 or 418)."""

    def __init__(self, message: str, *, venue: str, retry_after_s: float) -> None:
        super().__init__("venue-rate-limited", message, venue=venue, hint=f"retry after {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class VenueUnreachable(VenueError):
    """No connection, no answer in time, or a refusal (451, 403)."""

    def __init__(self, message: str, *, venue: str, hint: str | None = None, maybe_sent: bool = True) -> None:
        super().__init__("venue-unreachable", message, venue=venue, hint=hint)
        self.maybe_sent = maybe_sent  #: False: surely nothing of the call has left this machine


class NotifyError(PerpscopeError):
    """A way to tell people refuses, or cannot be reached; nothing of what it says has a token or key in it."""

    exit_code = 4

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        retry_after_s: float | None = None,
        moved_to: int | None = None,
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.retry_after_s = retry_after_s  #: it asked us to wait so long
        self.moved_to = moved_to  #: the chat has this id now
