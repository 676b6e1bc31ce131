"""Where a venue's budget is kept, so that everybody who asks from this machine finds the same one; and paced sockets.

A budget belongs to a venue's REST host and a way out: another proxy is another address. It lies in `limits.folder`, or
in this user's session folder. A lab on loopback has a budget of the process alone unless a folder is named.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

import structlog

from perpscope.feeds.bans import BanNote, Closed, closed_of, state_folder
from perpscope.feeds.budget import believed_door
from perpscope.feeds.budget_page import Door, OwnCells, Page, SharedCells, budget_file, own_folder, throw_out_forgotten
from perpscope.feeds.clock import SECOND_NS, wall_ns
from perpscope.feeds.governor import Governor
from perpscope.ports import Connector, OnFrame, Socket, Venue

_LOOPBACK = ("127.", "localhost", "::1")
_log = structlog.get_logger()


def open_governor(venue: Venue, base_url: str, per_minute: float, *, way_out: str = "", folder: str = "") -> Governor:
    """The budget of a venue, shared with everybody on this machine who asks the same host by the same way.

    Args:
        venue: whose limits they are.
        base_url: of its REST interface.
        per_minute: weight that may be spent in any minute.
        way_out: URL of the proxy; empty = none.
        folder: where the budget is kept; empty = this user's session folder.
    """
    host = urlsplit(base_url).netloc.rpartition("@")[2]
    if host.startswith(_LOOPBACK) and not folder:
        return Governor(venue.name, per_minute, metered=venue)
    page = None
    try:
        path = budget_file(own_folder(_folder(folder)), venue.name, host, way_out)
        throw_out_forgotten(path.parent, wall_ns() / SECOND_NS)
        page = Page(SharedCells(path))
    except OSError as error:
        path = budget_file(_folder(folder), venue.name, host, way_out)
        _log.warning("request budget is not shared with other processes", venue=venue.name, why=str(error))
    note = _note(path, folder)
    connects: tuple[int, float] | None = getattr(venue, "connects", None)
    return Governor(venue.name, per_minute, page=page, metered=venue, note=note, connects=connects)


def closed_until(venue: str, base_url: str, *, way_out: str = "", folder: str = "") -> Closed | None:
    """Until when a venue refuses this address, and why, as any process of this machine has heard; None if it does not.

    For a process that does not ask itself: nothing is made or changed.
    """
    path = budget_file(_folder(folder), venue, urlsplit(base_url).netloc.rpartition("@")[2], way_out)
    door = Door()
    with contextlib.suppress(OSError):
        door = believed_door(Page(OwnCells(path.read_bytes())).door(), time.monotonic())
    return closed_of(door) or _note(path, folder).closed(door)


def _note(budget: Path, folder: str) -> BanNote:
    """Where a long ban of a budget is noted."""
    return BanNote((_folder(folder) if folder else state_folder()) / f"{budget.stem}.ban")


def _folder(named: str) -> Path:
    """The folder that is named, or the user's own of this session."""
    if named:
        return Path(named).expanduser()
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session and Path(session).is_dir():
        return Path(session) / "perpscope"
    return Path(tempfile.gettempdir()) / f"perpscope-{os.geteuid()}"


@runtime_checkable
class CountsConnections(Protocol):
    """Knows how often this address may open a socket."""

    async def before_connecting(self) -> None:
        """Wait until a connection may be tried."""
        ...


class PacedConnector:
    """A `Connector` that opens no more than one socket in so many seconds, in the order asked.

    Args:
        connector: opens the sockets.
        every_s: real seconds between two tries, those that fail included.
        http: the venue's REST client: where it counts this address's connections, it is asked first.
    """

    def __init__(self, connector: Connector, every_s: float, http: object = None) -> None:
        self._counts = http if isinstance(http, CountsConnections) else None
        self._connector = connector
        self._every_s = every_s
        self._not_before = time.monotonic()
        self._turn = asyncio.Lock()

    async def __call__(self, url: str, on_frame: OnFrame, on_burst: Callable[[], None]) -> Socket:
        """Connect when it is our turn; raises what the connector does."""
        async with self._turn:
            if (wait_s := self._not_before - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            if self._counts is not None:
                await self._counts.before_connecting()
            self._not_before = time.monotonic() + self._every_s
        return await self._connector(url, on_frame, on_burst)
