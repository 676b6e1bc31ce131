"""A ban outlives the machine's start: until when a venue refuses us, and why, in a file of the user's state folder.

The budget itself lies in a folder that the system empties; a ban of three days must not be forgotten with it.
"""

import contextlib
import math
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from perpscope.feeds.budget_page import Door
from perpscope.feeds.clock import SECOND_NS, wall_ns
from perpscope.stores.whole import replace_file

#: Shorter ones are over before a machine has started anew.
_WORTH_NOTING_S = 60.0


class Closed(msgspec.Struct, frozen=True):
    """A venue's door is shut to this address."""

    until_ns: int  #: ns UTC, real time
    why: str

    def __str__(self) -> str:
        until = datetime.fromtimestamp(math.ceil(self.until_ns / SECOND_NS), UTC)
        return f"nothing is sent before {until:%Y-%m-%d %H:%M:%S} UTC: {self.why}"


class Ban(msgspec.Struct, frozen=True):
    """A refusal of some length."""

    until_wall_s: float  #: s UTC
    for_s: float
    why: str


class BanNote:
    """The file of one budget's ban.

    Args:
        path: made when there is something to note; a folder that takes no files is put up with.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Ban | None:
        """The last ban noted; None if there is none, or it cannot be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Ban)
        except (OSError, msgspec.MsgspecError):
            return None

    def closed(self, door: Door) -> Closed | None:
        """What is left of the last ban noted; None if there is nothing, or the door has known of it and is open."""
        banned = self.read()
        if banned is None or (door.why and door.closed_wall_s == banned.until_wall_s):
            return None
        left_s = min(banned.until_wall_s - wall_ns() / SECOND_NS, banned.for_s)
        return Closed(wall_ns() + int(left_s * SECOND_NS), banned.why) if left_s > 0.0 else None

    def write(self, door: Door) -> None:
        """Note a door that is shut for long."""
        if door.closed_for_s < _WORTH_NOTING_S:
            return
        told = msgspec.json.encode(Ban(door.closed_wall_s, door.closed_for_s, door.why))
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._path, told, is_synced=False)


def state_folder() -> Path:
    """`$XDG_STATE_HOME/perpscope`, else `~/.local/state/perpscope`."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "perpscope"


def closed_of(door: Door) -> Closed | None:
    """What a door says to people; None if it is open."""
    left_s = door.closed_until - time.monotonic()
    return Closed(wall_ns() + int(left_s * SECOND_NS), door.why) if left_s > 0.0 else None
