"""How far decisions go at this moment: the mode file, the journal's health, and how the exchange answers, as one word.

In: looked at once a second. Out: a `Standing` whenever any of it is another than was told last; it goes to the desk by
the front door, so that a replay stands where the run stood.
"""

from pathlib import Path

import msgspec

from perpscope.app import trading_mode
from perpscope.app.trade.arming import armed_until
from perpscope.app.trading_mode import Mode, State
from perpscope.model.instrument import InstrumentId
from perpscope.model.order import Standing
from perpscope.model.run import RunKind
from perpscope.model.trade_status import Contact
from perpscope.settings import Trade

_RESET = "reset"
_MS_NS = 1_000_000


class Watcher:
    """Looks again and again.

    Args:
        database: whose mode holds.
        trade: `[trade]`.
        kind: of the run: paper never rises above paper, live opens nothing below live, or where it is not armed.
        strategy: that has to be armed, by name.
        instrument: that it has to be armed for.
        since_ms: real time, epoch ms, of what is known of the run; a reset after it has not been obeyed yet.
    """

    def __init__(
        self,
        database: Path,
        trade: Trade,
        kind: RunKind,
        strategy: str,
        instrument: InstrumentId,
        since_ms: int,
    ) -> None:
        self.mode = Mode.OBSERVE  #: as it holds for this run
        self.armed_until_ms: int | None = None  #: real time, epoch ms; of live alone, None = it is not
        self.halted = ""  #: why nothing may be opened; empty = it may
        self.ending = ""  #: why this run is closing everything; set by whoever ends it
        self.is_journal_sick = False  #: nothing can be written: nothing may be opened
        self._database = database
        self._trade = trade
        self._kind = kind
        self._strategy = strategy
        self._instrument = instrument
        self._seen_ms = since_ms
        self._last: Standing | None = None

    @property
    def words(self) -> str:
        """What holds, in words."""
        return f"mode {self.mode.word}{f', halted: {self.halted}' if self.halted else ''}"

    def look(self, now_ns: int, wall_ms: int, contact: Contact | None) -> Standing | None:
        """What holds now, if it is not what was told last.

        Args:
            now_ns: ns UTC, market time.
            wall_ms: real time, epoch ms.
            contact: how the exchange answers; None on paper.
        """
        state = trading_mode.read(self._database, self._trade)
        self.mode = self._mode(state, wall_ms)
        self.halted = state.halted or self.ending
        told = Standing(
            ts_recv=now_ns,
            mode=Mode.OBSERVE if self.is_journal_sick else self.mode,
            halted=self.halted,
            is_reset=self._is_reset(state),
            skew_ns=0 if contact is None else round((contact.skew_ms or 0.0) * _MS_NS),
            calls=0 if contact is None or not contact.errors else contact.calls,
            errors=0 if contact is None else contact.errors,
            is_mismatched=contact is not None and contact.is_mismatched,
        )
        if self._last is not None and msgspec.structs.replace(self._last, ts_recv=now_ns, is_reset=False) == told:
            return None
        self._last = told
        return told

    def _mode(self, state: State, wall_ms: int) -> Mode:
        if self._kind is RunKind.PAPER:
            return min(state.mode, Mode.PAPER)
        self.armed_until_ms = armed_until(state, self._instrument, self._strategy, wall_ms)
        return Mode.OBSERVE if self.armed_until_ms is None else Mode.LIVE

    def _is_reset(self, state: State) -> bool:
        """Whether somebody lifted what halted it since this was asked last."""
        newest = max((act.at_ms for act in state.acts if act.what == _RESET), default=0)
        if newest <= self._seen_ms:
            return False
        self._seen_ms = newest
        return True
