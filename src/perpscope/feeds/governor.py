"""One budget of requests per venue and way out, shared by every perpscope process of this user and machine.

In: requests with their weight and urgency, and what the venue's replies say of its limits. Out: leave to send, in an
order that puts orders before data and data before the past, or `RateLimited` while the venue's door is shut.
A budget refills evenly; a quarter may be spent at once. What is spent in any minute stays within the venue's
`weight_per_minute`, whenever that minute begins. A path's own seconds are so short that its calls are counted until
their answers, too: on a slow way they would arrive together. Where the page cannot be shared, the budget is this
process's alone.
"""

import asyncio
import itertools
import math
import os
import random
import time
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, runtime_checkable

import msgspec
import structlog

from perpscope.errors import RateLimited
from perpscope.feeds.bans import BanNote, Closed, closed_of
from perpscope.feeds.budget import (
    BURST_SHARE,
    JITTER_S,
    KEPT,
    LANES,
    Charge,
    believed,
    believed_door,
    wait_s_of,
    withdraw,
)
from perpscope.feeds.budget_page import SLOTS, Busy, Door, OwnCells, Page
from perpscope.feeds.clock import SECOND_NS, wall_ns
from perpscope.feeds.under_way import UnderWay
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.ports import Metered

#: Of a path's own limit: what is left to others, and what may be asked at once.
_OWN_SHARE, _OWN_BURST_SHARE = 0.8, 0.1
#: A shut door is waited for so long; whoever would wait longer is told so.
_PATIENCE_S = 5.0
#: No venue shuts its door for longer: Binance bans an address for three days at most.
LONGEST_WAIT_S = 3 * 86_400.0
#: Refused again so soon after the door opened: it stays shut twice as long as the last time, up to a bound.
_RELAPSE_S, _LONGEST_RELAPSE_S = 60.0, 300.0
_MINUTE_S = 60.0
#: Tries for the lock until it is given up: some five seconds of waiting, a second where nothing can be awaited.
_BUSY_TRIES = 400
_REFUSED, _REFUSED_FOR_S, _BANNED, _BANNED_FOR_S = 429, 10.0, 418, 120.0

_ids = itertools.count(1)
_log = structlog.get_logger()


@runtime_checkable
class LimitsByPath(Protocol):
    """A venue that counts the calls of some paths apart."""

    def own_limit(self, request: HttpRequest) -> tuple[str, int, float, float] | None:
        """Name of the limit, calls in so many seconds, and what a call weighs besides; None: by weight alone."""
        ...


class Governor:
    """The budget of one venue.

    Args:
        venue: name, for errors.
        per_minute: weight that may be spent in any minute.
        page: where it is kept; this process's memory by default.
        metered: the venue, if it tells of its limits.
        note: keeps long bans over a restart of the machine.
        connects: sockets that an address may try to open, in so many seconds; None: as many as it likes.
    """

    def __init__(
        self,
        venue: str,
        per_minute: float,
        *,
        page: Page | None = None,
        metered: object = None,
        note: BanNote | None = None,
        connects: tuple[int, float] | None = None,
    ) -> None:
        self.used_weight: float | None = None  #: in the venue's minute, as its last reply told
        self.is_shared = page is not None
        self._venue = venue
        self._rate = per_minute * (1.0 - BURST_SHARE) / _MINUTE_S
        self._burst = per_minute * BURST_SHARE
        self._page = page or Page(OwnCells())
        self._metered = metered if isinstance(metered, Metered) else None
        self._by_path = metered if isinstance(metered, LimitsByPath) else None
        #: of calls counted over minutes, where more weight is allowed than the venue's: a lab in a hurry is asked
        self._own_share = max(1.0, per_minute / (getattr(metered, "weight_per_minute", 0.0) or per_minute))
        self._note = note
        self._connects = None if connects is None else _own_charge("connects", *connects)
        self._under_way = UnderWay()
        self._turns: dict[tuple[int, Urgency], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._door = Door()  # as last seen, in case the page is lost
        self._remember_ban()

    # asking --------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def leave(self, request: HttpRequest) -> AsyncIterator[float | None]:
        """Leave to make a call, which is over with the block: `take`, and what has not arrived yet counts."""
        granted, charges = await self.take(request), self._charges(request)
        self._under_way.begin(charges)
        try:
            yield granted
        finally:
            self._under_way.end(charges, time.monotonic())

    async def take(self, request: HttpRequest) -> float | None:
        """Wait until this request may be sent; whoever is more urgent goes first, else in the order asked.

        Returns:
            What had been granted before of the address's weight, for `hear`; None if the request costs none of it.

        Raises:
            RateLimited: the venue's door is shut for longer than a few seconds.
        """
        return await self._take(self._charges(request), request.urgency)

    async def take_connection(self) -> None:
        """Wait until one more socket may be tried; those of other processes count."""
        if self._connects is not None:
            await self._take((self._connects,), Urgency.DATA, is_request=False)

    async def _take(self, charges: Sequence[Charge], urgency: Urgency, *, is_request: bool = True) -> float | None:
        lane = LANES[urgency]
        who = float(os.getpid() << 24 | next(_ids) & 0xFFFFFF)
        async with self._turns[charges[0].slot, urgency]:
            busy = 0
            try:
                while True:
                    try:
                        wait_s, granted = self._under_way.wait_s(charges, time.monotonic()), None
                        if wait_s <= 0.0:
                            wait_s, granted = self._try(charges, lane, who, is_request=is_request)
                    except Busy:
                        wait_s, granted, busy = JITTER_S, None, busy + 1
                        if busy > _BUSY_TRIES:
                            self._alone("its lock is never free")
                    if wait_s <= 0.0:
                        return granted
                    await asyncio.sleep(wait_s + random.uniform(0.0, JITTER_S))  # noqa: S311  # jitter, not secrets
            except (asyncio.CancelledError, RateLimited):
                self._give_way(charges, lane, who)
                raise

    def hear(self, status: int, headers: Mapping[str, str], body: bytes, granted: float | None) -> float | None:
        """Learn from a reply.

        Args:
            status: HTTP status.
            headers: names in lower case.
            body: as received.
            granted: what `take` returned for this request.

        Returns:
            Real seconds for which nothing is sent, where the reply says that too much was asked.
        """
        wait_s = None
        if self._metered is not None:
            if (used := self._metered.used_weight(headers)) is not None:
                self.used_weight = used
                if granted is not None:
                    self._reckon(used, granted)
            wait_s = self._metered.refused_for_s(status, headers, body)
        if wait_s is None and status in (_REFUSED, _BANNED):
            wait_s = retry_after_s(headers, _BANNED_FOR_S if status == _BANNED else _REFUSED_FOR_S)
        return None if wait_s is None else self.shut(wait_s, f"{self._venue} answered {status}: {_words(body)}")

    # the door ------------------------------------------------------------------------------------------------------

    def shut(self, seconds: float, why: str) -> float:
        """Let nobody send anything for so many real seconds; returns for how many it is now."""
        wait_s = min(max(0.0, seconds), LONGEST_WAIT_S)

        def change(door: Door, now: float) -> None:
            nonlocal wait_s
            if door.closed_until <= now < door.closed_until + min(door.closed_for_s, _RELAPSE_S):
                wait_s = max(wait_s, min(2.0 * door.closed_for_s, _LONGEST_RELAPSE_S))
            if now + wait_s <= door.closed_until:
                wait_s = door.closed_until - now
                return
            door.closed_until, door.closed_for_s, door.why = now + wait_s, wait_s, why
            door.closed_wall_s = wall_ns() / SECOND_NS + wait_s
            slot = self._page.slot(0)  # afterwards it begins with an empty budget, but for orders
            spent = self._burst * (1.0 - KEPT[Urgency.DATA]) / self._rate
            slot.free_at = max(slot.free_at, door.closed_until + spent)
            self._page.put_slot(0, slot)

        self._change(change)
        if self._note is not None:
            self._note.write(self._door)
        _log.warning("venue refuses", venue=self._venue, for_s=round(wait_s, 1), why=why)
        return wait_s

    @property
    def closed(self) -> Closed | None:
        """Until when nothing may be sent, and why."""
        self._change(lambda _door, _now: None, patient=False)
        return closed_of(self._door)

    def close(self) -> None:
        """Give the page up; nothing is asked any more. Once only."""
        self._page.close()

    # the budget ----------------------------------------------------------------------------------------------------

    def _charges(self, request: HttpRequest) -> Sequence[Charge]:
        own = None if self._by_path is None else self._by_path.own_limit(request)
        if own is None:
            return (Charge(0, request.weight, self._rate, self._burst),)
        name, calls, per_s, weight = own
        path = _own_charge(name, calls * self._own_share if per_s >= _MINUTE_S else calls, per_s)
        return (path, Charge(0, weight, self._rate, self._burst)) if weight else (path,)

    def _try(
        self, charges: Sequence[Charge], lane: int, who: float, *, is_request: bool = True
    ) -> tuple[float, float | None]:
        """Spend, if it is our turn: seconds to wait (0 if it was), and what had been granted before."""
        try:
            with self._page.locked():
                now = time.monotonic()
                door = self._door = believed_door(self._page.door(), now)
                if (shut_s := door.closed_until - now if is_request else 0.0) > _PATIENCE_S:
                    raise self._told(door, shut_s)
                if shut_s > 0.0:
                    return shut_s, None
                slots = [believed(self._page.slot(charge.slot), now) for charge in charges]
                for charge, slot in zip(charges, slots, strict=True):
                    wait_s = wait_s_of(charge, slot, lane, who, now)
                    if wait_s > 0.0:
                        self._page.put_slot(charge.slot, slot)
                        return wait_s, None
                for charge, slot in zip(charges, slots, strict=True):
                    slot.free_at = max(slot.free_at, now) + charge.weight / charge.rate
                    slot.granted += charge.weight
                    withdraw(slot, lane, who)
                    self._page.put_slot(charge.slot, slot)
                last = charges[-1]
                return 0.0, None if last.slot else slots[-1].granted - last.weight
        except OSError as error:
            self._alone(str(error))
            return JITTER_S, None

    def _told(self, door: Door, shut_s: float) -> RateLimited:
        return RateLimited(f"{self._venue}: {closed_of(door)}", venue=self._venue, retry_after_s=round(shut_s, 1))

    def _give_way(self, charges: Sequence[Charge], lane: int, who: float) -> None:
        """Withdraw the claims of somebody who waits no longer."""

        def change(_door: Door, _now: float) -> None:
            for charge in charges:
                slot = self._page.slot(charge.slot)
                if withdraw(slot, lane, who):
                    self._page.put_slot(charge.slot, slot)

        self._change(change)

    def _reckon(self, used: float, granted: float) -> None:
        """Take off our budget what others on this address have spent in the venue's minute.

        The venue tells what all have used; what was granted to us since that minute began is ours. Its minute begins
        where the figure falls by more than half (replies overtake each other), or after 60 s.
        """

        def change(door: Door, now: float) -> None:
            slot = believed(self._page.slot(0), now)
            if now - door.minute_at >= _MINUTE_S or used < door.used / 2.0 or slot.granted < door.minute_from:
                door.minute_at, door.minute_from, door.others, door.used = now, granted, 0.0, 0.0
            door.used = max(door.used, used)
            others = used - (slot.granted - door.minute_from)
            if others > door.others:
                owed_s = max(0.0, slot.free_at - now) + (others - door.others) / self._rate
                slot.free_at = now + min(owed_s, _MINUTE_S + self._burst / self._rate)
                door.others = others
                self._page.put_slot(0, slot)

        self._change(change, patient=False)

    # the page ------------------------------------------------------------------------------------------------------

    def _change(self, change: "Change", *, patient: bool = True) -> None:
        """Change the door and slot 0 under the lock; what cannot wait for the lock is done for this process alone."""
        for _ in range(_BUSY_TRIES if patient else 1):
            try:
                with self._page.locked():
                    now = time.monotonic()
                    door = believed_door(self._page.door(), now)
                    before = msgspec.structs.replace(door)
                    change(door, now)
                    if door != before:
                        self._page.put_door(door)
                    self._door = door
            except Busy:
                continue
            except OSError as error:
                self._alone(str(error))
                continue
            return
        if patient:
            self._alone("its lock is never free")
            self._change(change)

    def _alone(self, why: str) -> None:
        """Go on with a budget of this process's own, and the door as it was last seen."""
        _log.warning("request budget is not shared with other processes", venue=self._venue, why=why)
        self._page = Page(OwnCells())
        self._page.put_door(self._door)
        self.is_shared = False

    def _remember_ban(self) -> None:
        """Shut the door again if the machine was started anew during a ban; its clock cannot make the ban longer."""
        banned = None if self._note is None else self._note.read()
        if banned is None:
            return
        left_s = min(banned.until_wall_s - wall_ns() / SECOND_NS, banned.for_s, LONGEST_WAIT_S)

        def change(door: Door, now: float) -> None:
            if (
                left_s > 0.0
                and door.closed_until <= now
                and not (door.why and door.closed_wall_s == banned.until_wall_s)
            ):
                door.closed_until, door.closed_for_s = now + left_s, left_s
                door.closed_wall_s, door.why = banned.until_wall_s, banned.why

        self._change(change)


class Change(Protocol):
    """What is done under the lock."""

    def __call__(self, door: Door, now: float, /) -> None:
        """Change the door; `now` is monotonic s."""
        ...


def retry_after_s(headers: Mapping[str, str], otherwise: float) -> float:
    """Seconds to wait: those of `Retry-After`, where it gives seconds."""
    try:
        told = float(headers.get("retry-after", otherwise))
    except ValueError:
        return otherwise
    return otherwise if math.isnan(told) else min(max(0.0, told), LONGEST_WAIT_S)


def _own_charge(name: str, calls: float, per_s: float) -> Charge:
    """One of so many calls in so many seconds; in any such stretch nine tenths are used at most.

    The last tenth is all that a slow way may cost: in less than a minute that is soon too little.
    """
    slot = 1 + zlib.crc32(name.encode()) % (SLOTS - 1)
    most = int(calls) if per_s < _MINUTE_S else 0
    return Charge(slot, 1.0, _OWN_SHARE * calls / per_s, max(1.0, _OWN_BURST_SHARE * calls), most, per_s)


def _words(body: bytes) -> str:
    """The beginning of a reply, for people."""
    return body[:60].decode("utf-8", "replace").strip() or "(no words)"
