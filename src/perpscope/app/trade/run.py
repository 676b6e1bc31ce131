"""The life of a run: prepared, begun, traded, ended in order, run again from its recording, and judged.

In: what was asked for. Out: an `Answer`. Live is judged by asking the exchange itself; whether a replay decides the
same is found out by replaying.
"""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app import places
from perpscope.app.answers.trade import label_of
from perpscope.app.collect import Collector, Outcome
from perpscope.app.trade import outcome as outcomes
from perpscope.app.trade.account import Account, Verdict
from perpscope.app.trade.opening import Opening, Wanted, holder
from perpscope.app.trade.part import TradingPart
from perpscope.app.trade.recordings import SUFFIX, drop_unbegun, make_room, of_run
from perpscope.app.trade.replaying import Replayed, replayed
from perpscope.app.trade.seat import Seat
from perpscope.errors import DataError, PerpscopeError, StoreError
from perpscope.feeds.clock import MarketClock, wall_ns
from perpscope.model.run import Run, RunKind
from perpscope.model.trade_status import Spread, TradeStatus
from perpscope.stores.journal import Journal, place

_MS_NS: Final = 1_000_000
_CENT: Final = 0.01  # quote units; less is rounding
_RECORDINGS: Final = "runs-recordings"
#: Real seconds between two looks at how much of the disk recordings take.
_ROOM_EVERY_S: Final = 600.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to; the contract of `paper|trade --json`."""

    run: str
    kind: RunKind
    label: str  #: PAPER, LIVE or DEMO: whose money
    strategy: str
    instrument: str
    data: str
    decisions: int
    decision_hash: str
    replay_hash: str
    orders: int
    fills: int
    duplicate_orders: int
    unexplained_orders: int  #: of this run at the exchange, that the journal does not know
    naked_seconds_max: float
    position: float  #: base units, signed, as we know it
    position_matches: bool
    equity: float
    net: float  #: equity - deposit, quote units
    latency_ms: Spread  #: exchange's time to order sent (paper: decided), real milliseconds
    stages_ms: dict[str, Spread]
    refused: dict[str, int]
    halted: str
    is_over: bool  #: nothing is held or working; else it is taken up by the next process
    recording: str
    verdict: str  #: of `model.run.Verdict`; empty = there was nothing to measure
    why: str  #: the verdict in one sentence
    wallet_off: float | None = None  #: what the exchange's wallet has beyond equity, quote units; None on paper
    unreachable: list[str] = []
    warnings: list[str] = []


class TradeRun:
    """One process' part of a run.

    Args:
        wanted: what was asked for.
        account: at the exchange; None on paper.
        clock: market time.
        announce: told what a person should know, one line at a time.
    """

    def __init__(
        self,
        wanted: Wanted,
        account: Account | None = None,
        *,
        clock: MarketClock | None = None,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._wanted = wanted
        self._account = account
        self._clock = clock or MarketClock()
        self._announce = announce
        self._failure: Exception | None = None
        self._collector: Collector | None = None
        self._seat: Seat | None = None

    @property
    def status(self) -> TradeStatus | None:
        """As it stands; None before it has begun."""
        part = None if self._seat is None else self._seat.part
        return None if part is None else part.status()

    def stop(self) -> None:
        """End in order, as `[trade] on_exit` says; told again, at once."""
        if self._collector is not None:
            self._collector.stop()
        if self._seat is not None:
            self._seat.hurry()

    async def run(self, duration_s: float | None, on_tick: Callable[["TradeRun"], None] = lambda _: None) -> Answer:
        """Trade until the time is up, or until `stop`.

        Args:
            duration_s: real seconds from when it trades; None = until stopped.
            on_tick: called after each Tick.

        Raises:
            PerpscopeError: it could not begin, or not go on.
        """
        wanted = self._wanted
        path = place(wanted.database, wanted.kind)
        places.make_own_folder(wanted.database)
        journal = await asyncio.to_thread(Journal.open, path, holder=holder())
        try:
            return await self._run(journal, duration_s, on_tick)
        finally:
            await asyncio.to_thread(journal.close)

    async def _run(self, journal: Journal, duration_s: float | None, on_tick: Callable[["TradeRun"], None]) -> Answer:
        wanted = self._wanted
        recording = self._recording()
        opening = Opening(
            wanted,
            journal,
            self._account,
            recording=recording,
            clock=self._clock,
            announce=self._announce,
            fail=self._fail,
        )
        seat = self._seat = Seat(recording, opening, wanted.settings.trade.on_exit, self._account, self._clock)
        self._collector = Collector(
            wanted.settings,
            database=recording.with_suffix(".db"),
            clock=self._clock,
            announce=self._announce,
            trading=seat,
        )
        room = asyncio.create_task(self._keep_room(recording.parent), name="recordings")
        try:
            outcome = await self._collector.run(duration_s, on_tick=lambda _: on_tick(self))
        finally:
            room.cancel()
            await seat.aclose()
            await asyncio.to_thread(drop_unbegun, recording)
        if self._failure is not None:
            raise self._failure
        return await self._judged(seat.begun, seat.verdict, outcome, journal, recording)

    async def _judged(
        self, part: TradingPart, verdict: Verdict | None, outcome: Outcome, journal: Journal, recording: Path
    ) -> Answer:
        """What it came to, once nothing more happens."""
        status = part.status(is_over=True)
        again, kept = await asyncio.to_thread(self._again, recording, status)
        if part.is_flat:
            await asyncio.to_thread(journal.end, status.run, wall_ns())
        return answer_of(status, part, verdict, again, outcome, kept)

    async def _keep_room(self, folder: Path) -> None:
        """Let recordings take no more of the disk than they may, while this run goes on."""
        wanted = self._wanted
        while True:
            await asyncio.to_thread(
                make_room, folder, wanted.database, wanted.settings.trade.recordings_gb, self._announce
            )
            await asyncio.sleep(_ROOM_EVERY_S)

    def _again(self, recording: Path, status: TradeStatus) -> tuple[Replayed, Run | None]:
        """This process' part replayed; and the whole run measured and kept, where there is anything to measure."""
        database = self._wanted.database
        try:
            ended = outcomes.kept(of_run(recording.parent, status.run), database)
        except DataError as error:
            self._announce(f"not kept as a run: {error.message}")
            return replayed(recording), None
        return ended.pieces[-1], ended.run

    def _recording(self) -> Path:
        wanted = self._wanted
        folder = wanted.settings.recording.folder
        beside = Path(folder).expanduser() if folder else wanted.database.parent / _RECORDINGS
        try:
            beside.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                "recording-folder",
                f"cannot write a recording to {str(beside)!r}: {error.strerror}",
                hint="choose another folder",
            ) from error
        symbol = wanted.settings.collect.symbols[0]
        name = f"{wanted.kind.value}-{wanted.strategy.name}-{symbol}-{wall_ns() // _MS_NS}{SUFFIX}"
        return beside / name

    def _fail(self, error: Exception) -> None:
        """What it cannot go on with; the first is told."""
        if self._failure is None:
            self._failure = error
            if isinstance(error, PerpscopeError):
                self._announce(f"error {error.code}: {error.message}")
            self.stop()
            self.stop()


#: What a run's last page and its answer tell alike.
_AS_TOLD: Final = (
    *("run", "kind", "strategy", "instrument", "data", "decisions", "decision_hash", "orders", "fills"),
    *("refused", "halted", "recording", "warnings"),
)


def answer_of(
    status: TradeStatus, part: TradingPart, verdict: Verdict | None, again: Replayed, outcome: Outcome, kept: Run | None
) -> Answer:
    """A run's last page, judged.

    Args:
        status: of its end.
        part: as it stands.
        verdict: the exchange's own word; None on paper, where the desk's is.
        again: the run, replayed.
        outcome: of what was collected.
        kept: the run as it was measured; None = there was nothing to measure.
    """
    position = part.position
    told = part.booked if verdict is None else verdict.position
    return Answer(
        **{name: getattr(status, name) for name in _AS_TOLD},
        label=label_of(status.kind, status.data),
        replay_hash=again.hash,
        duplicate_orders=status.duplicate_orders if verdict is None else verdict.duplicates,
        unexplained_orders=0 if verdict is None else verdict.unexplained,
        naked_seconds_max=round(status.naked_seconds_max, 3),
        position=float(position),
        position_matches=told == position,
        equity=status.money.equity,
        wallet_off=None if verdict is None else _wallet_off(status, verdict),
        net=round(status.money.equity - status.money.deposit, 8),
        latency_ms=status.latency_ms.get("whole", Spread()),
        stages_ms=status.latency_ms,
        is_over=part.is_flat,
        verdict="" if kept is None else kept.summary.verdict.value,
        why="" if kept is None else kept.summary.why,
        unreachable=list(outcome.unreachable),
    )


def _wallet_off(status: TradeStatus, verdict: Verdict) -> float:
    """What the exchange's wallet has beyond what this run's books say; fees in other coins are none of it."""
    money = status.money
    return round(float(verdict.wallet) - (money.equity - status.held.unrealised + money.fees_elsewhere), 6) + 0.0


def words(answer: Answer) -> Sequence[str]:
    """An answer for people, in lines."""
    same = "the replay decides the same" if answer.decision_hash == answer.replay_hash else "THE REPLAY DIFFERS"
    return [
        *([f"{answer.verdict}: {answer.why}"] if answer.verdict else []),
        f"{answer.decisions:,} decisions, {answer.orders:,} orders, {answer.fills:,} fills · {same}",
        f"net {answer.net:+,.2f} · equity {answer.equity:,.2f} · position {Decimal(repr(answer.position)):f}"
        f" ({'agrees' if answer.position_matches else 'DOES NOT AGREE with the exchange'})",
        *([f"the exchange's wallet has {answer.wallet_off:+,.2f} beyond these books"] if _is_off(answer) else []),
    ]


def _is_off(answer: Answer) -> bool:
    return answer.wallet_off is not None and abs(answer.wallet_off) >= _CENT
