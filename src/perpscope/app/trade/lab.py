"""`--lab`: the lab as exchange for one run, in a process of its own, with everything in a folder that is thrown away.

In: a seed, a speed, venue and symbol. Out: settings that speak to nobody else, a database that is nobody's, and, where
orders are to go there, live armed by the same words as on the real exchange, with the key that the lab publishes.
"""

import tempfile
from asyncio.subprocess import Process
from pathlib import Path
from types import TracebackType
from typing import Final

from msgspec.structs import replace

from perpscope.app import lab_process, trading_mode
from perpscope.app.demo import named_of
from perpscope.app.trading_mode import Armed, Mode
from perpscope.errors import ConfigError
from perpscope.feeds.clock import wall_ns
from perpscope.feeds.private_calls import Keys
from perpscope.lab.accounts.desk import LAB_KEY, LAB_SECRET
from perpscope.lab.dialect import VENUES
from perpscope.model.instrument import InstrumentId
from perpscope.settings import Ccxt, Settings, Trade

KEYS: Final = Keys(LAB_KEY, LAB_SECRET)
_MS_NS: Final = 1_000_000
_YEAR_MS: Final = 365 * 86_400_000


class LabMarket:
    """A lab process and its folder; an async context manager.

    Args:
        venue: whose wire it speaks.
        symbol: what is traded there, as people write it.
        seed: of its market.
        speed: market seconds per real second.
        database: of kind "demo", to be kept; None = one that is thrown away.

    Raises:
        ConfigError: it does not speak for this venue, or does not trade this.
    """

    def __init__(self, venue: str, symbol: str, *, seed: int, speed: float, database: Path | None = None) -> None:
        if venue not in VENUES:
            raise ConfigError("venue-unknown", f"the lab does not speak {venue!r}", hint=f"known: {', '.join(VENUES)}")
        self._venue = venue
        self._bases = named_of([symbol], [venue])
        self._seed = seed
        self._speed = speed
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._database = database
        self._lab: Process | None = None
        self._pointed: dict[str, dict[str, object]] = {}

    async def __aenter__(self) -> "LabMarket":
        if self._database is None:
            self._folder = tempfile.TemporaryDirectory(prefix="perpscope-lab-")
        try:
            self._lab, addresses = await lab_process.started(
                [
                    *("--seed", str(self._seed), "--speed", str(self._speed)),
                    *("--venue", self._venue, "--symbols", *self._bases, "--yielding"),
                ]
            )
        except BaseException:
            self._forget()
            raise
        self._pointed = lab_process.pointed(addresses)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        try:
            if self._lab is not None:
                await lab_process.ended(self._lab)
        finally:
            self._forget()

    @property
    def database(self) -> Path:
        """Beside which journal, mode and recordings are."""
        return self._database or Path(self._folder.name if self._folder is not None else "") / "lab.db"

    def settings(self, tree: Settings) -> Settings:
        """The same settings, speaking to this lab and to nobody else."""
        return replace(
            tree,
            venue=self._pointed,
            ccxt=Ccxt(),
            limits=replace(tree.limits, folder=""),
            recording=replace(tree.recording, folder="" if self._folder is not None else tree.recording.folder),
        )

    def _forget(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()


def arm(database: Path, trade: Trade, strategy: str, instrument: InstrumentId) -> None:
    """Arm live on a lab: there is no money to be lost. Where the kill switch is pulled it stays pulled."""
    if trading_mode.read(database, trade).halted:
        return
    now_ms = wall_ns() // _MS_NS
    armed = Armed(instrument=instrument, strategy=strategy, until_ms=now_ms + _YEAR_MS)
    trading_mode.raised(database, Mode.LIVE, who="lab", now_ms=now_ms, trade=trade, armed=armed)
