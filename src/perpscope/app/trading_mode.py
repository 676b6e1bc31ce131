"""How far decisions go at run time: observe, paper or live, and the kill switch (S2-62).

In and out: one small file beside the database, written whole or not at all, that whatever trades reads again and
again. The mode falls freely: anybody may, by any way. It rises only by `raised`, an explicit act with a name under it,
and never above what the settings allow; `live` asks for more (`arm` of the live trader). A file that is damaged or of
a later perpscope means observe, and halted.
"""

import contextlib
import enum
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from perpscope.errors import ConfigError
from perpscope.model.instrument import InstrumentId
from perpscope.settings import Trade
from perpscope.stores.whole import replace_file

_VERSION: Final = 1
#: Acts that are remembered, the newest last.
_KEPT: Final = 50


class Mode(enum.IntEnum):
    """Numbers are those of `RISK.mode`."""

    OBSERVE = 0  #: decisions are told, nothing is ordered
    PAPER = 1  #: orders go to the simulated exchange
    LIVE = 2  #: to the real one

    @property
    def word(self) -> str:
        """As people write it."""
        return self.name.lower()


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Something somebody did."""

    at_ms: int  #: real time, epoch ms
    who: str  #: user, program or chat
    what: str  #: "observe", "paper", "live", "halt" or "reset"
    why: str = ""


class Armed(msgspec.Struct, frozen=True, kw_only=True):
    """What may be traded on the real exchange, and until when."""

    instrument: InstrumentId
    strategy: str
    until_ms: int  #: real time, epoch ms; from then on it has to be armed again


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What holds now."""

    mode: Mode = Mode.OBSERVE
    halted: str = ""  #: why nothing may be opened and all is to be closed; empty = it may
    armed: Armed | None = None  #: of mode live alone; None = nothing is
    acts: list[Act] = []
    version: int = _VERSION

    @property
    def since(self) -> Act | None:
        """The act it comes from."""
        return self.acts[-1] if self.acts else None


def place(database: Path) -> Path:
    """The file beside a database."""
    return database.with_name(f"{database.name}.mode")


def read(database: Path, trade: Trade) -> State:
    """What holds now; never above what the settings allow.

    Args:
        database: whose mode.
        trade: `[trade]`; a database without a file begins in its mode.
    """
    file = place(database)
    try:
        found = msgspec.json.decode(file.read_bytes(), type=State)
    except FileNotFoundError:
        return State(mode=Mode[trade.mode.upper()])
    except (OSError, msgspec.MsgspecError) as error:
        return State(halted=f"{file.name} cannot be read: {error}")
    if found.version != _VERSION:
        return State(halted=f"{file.name} is of version {found.version}, this perpscope knows {_VERSION}")
    mode = min(found.mode, ceiling(trade))
    is_armed = mode is Mode.LIVE and not found.halted
    return msgspec.structs.replace(found, mode=mode, armed=found.armed if is_armed else None)


def ceiling(trade: Trade) -> Mode:
    """The highest mode the settings allow."""
    return Mode.LIVE if trade.live_enabled else Mode[trade.mode.upper()]


def lowered(database: Path, mode: Mode, *, who: str, now_ms: int, trade: Trade) -> State:
    """Let the mode fall, or stay; anybody may, at any time.

    Raises:
        ConfigError: it would rise.
    """
    with _alone(database):
        before = read(database, trade)
        if mode > before.mode:
            raise ConfigError(
                "mode-rises",
                f"mode {before.mode.word} rises to {mode.word} by an explicit act alone",
                hint=f"perpscope risk mode {mode.word} --yes" if mode is Mode.PAPER else "perpscope trade arm",
            )
        return _written(database, before, mode, before.halted, _act(mode.word, who, now_ms), before.armed)


def raised(database: Path, mode: Mode, *, who: str, now_ms: int, trade: Trade, armed: Armed | None = None) -> State:
    """Let the mode rise: an explicit act of somebody.

    Args:
        database: whose mode.
        mode: wanted.
        who: does it.
        now_ms: real time, epoch ms.
        trade: `[trade]`.
        armed: what live is armed for, once all was asked for that live asks for (`app.trade.arming`).

    Raises:
        ConfigError: halted, or the settings do not allow it, or live without being armed.
    """
    with _alone(database):
        before = read(database, trade)
        if before.halted:
            raise ConfigError("halted", f"halted: {before.halted}", hint="perpscope risk reset")
        if mode > ceiling(trade):
            key = "live_enabled" if mode is Mode.LIVE else "mode"
            words = f"mode {mode.word} is above what the settings allow (trade.{key})"
            raise ConfigError("mode-not-allowed", words, hint=f"set trade.{key}, knowingly")
        if mode is Mode.LIVE and armed is None:
            words = "live is armed with --live and the symbol typed by hand, not by a word"
            raise ConfigError("live-not-armed", words, hint="perpscope trade arm")
        return _written(database, before, mode, "", _act(mode.word, who, now_ms), armed)


def halted(database: Path, *, who: str, why: str, now_ms: int, trade: Trade) -> State:
    """Pull the kill switch: nothing opens, all is closed, until somebody resets it.

    The first why stays. Live is disarmed.
    """
    with _alone(database):
        before = read(database, trade)
        act = Act(at_ms=now_ms, who=who, what="halt", why=why)
        return _written(database, before, before.mode, before.halted or why or "by hand", act)


def reset(database: Path, *, who: str, now_ms: int, trade: Trade) -> State:
    """Lift the kill switch; the mode falls to paper at most: live has to be armed again."""
    with _alone(database):
        before = read(database, trade)
        return _written(database, before, min(before.mode, Mode.PAPER), "", _act("reset", who, now_ms))


def _act(what: str, who: str, now_ms: int) -> Act:
    return Act(at_ms=now_ms, who=who, what=what)


@contextlib.contextmanager
def _alone(database: Path) -> Iterator[None]:
    """One act after another: of a halt and a rise at once neither is forgotten.

    Raises:
        ConfigError: the folder cannot be written; what held before holds.
    """
    file = place(database)
    try:
        lock = file.with_name(f"{file.name}.lock").open("w")
    except OSError as error:
        raise ConfigError("mode-file", f"{file} cannot be written: {error.strerror}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _written(database: Path, before: State, mode: Mode, why: str, act: Act, armed: Armed | None = None) -> State:
    """Replace the file in one step, its bytes on the disk before its name is.

    Raises:
        ConfigError: it cannot be written; what held before holds.
    """
    state = State(
        mode=mode,
        halted=why,
        armed=armed if mode is Mode.LIVE and not why else None,
        acts=[*before.acts, act][-_KEPT:],
    )
    file = place(database)
    try:
        replace_file(file, msgspec.json.encode(state))
    except OSError as error:
        raise ConfigError("mode-file", f"{file} cannot be written: {error.strerror}") from error
    return state
