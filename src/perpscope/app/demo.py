"""The demo: the lab's generated market in a process of its own, collected over a real WebSocket.

The lab publishes its market clock and the heart follows it, so a market hour passes in a minute at 60×. The rows go
to a database of kind "demo", never to the real one.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import msgspec

from perpscope.app import places
from perpscope.app.collect import Collector
from perpscope.app.symbols import EVERYTHING
from perpscope.config import Ccxt, Settings
from perpscope.errors import ConfigError, VenueUnreachable
from perpscope.feeds.clock import SECOND_NS, wall_ns
from perpscope.stores.sqlite import SqliteReader

_START_DEADLINE_S = 30.0
_STOP_DEADLINE_S = 3.0
#: Market seconds per real second that the lab keeps up with on a modest core; beyond, its events lag its clock.
FASTEST = 200.0
#: How far back a demo without an end begins, so that its times are in the past for a while.
_DEFAULT_HISTORY_S = 86_400.0


class _Address(msgspec.Struct):
    rest: str
    websocket: str


def rate_of(text: str) -> float:
    """Read a speed.

    Raises:
        ConfigError: it is no number, or not in (0, 200].

    >>> rate_of("60x")
    60.0
    """
    try:
        rate = float(text.lower().removesuffix("x").removesuffix("×"))
    except ValueError:
        rate = 0.0
    if not 0.0 < rate <= FASTEST:
        raise ConfigError(
            "option-value", f"--speed {text!r} must be a number in (0, {FASTEST:g}]", hint="e.g. --speed 60x"
        )
    return rate


class DemoMarket:
    """A lab process and where its rows go; an async context manager.

    Args:
        seed: of the market.
        rate: market seconds per real second.
        database: file of kind "demo"; None = a new one.
        duration_s: real seconds the demo will last, if known: its market then ends about now.
    """

    def __init__(self, *, seed: int, rate: float, database: Path | None, duration_s: float | None) -> None:
        self.database = database or places.demo_database()
        self._seed = seed
        self._rate = rate
        self._duration_s = duration_s
        self._lab: asyncio.subprocess.Process | None = None
        self._address: _Address | None = None

    async def __aenter__(self) -> "DemoMarket":
        self._lab = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "perpscope.lab"),
            *("--seed", str(self._seed), "--speed", str(self._rate), "--start-ns", str(self._start_ns())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._lab.stdout is not None  # noqa: S101  # PIPE was asked for
        try:
            line = await asyncio.wait_for(self._lab.stdout.readline(), _START_DEADLINE_S)
            self._address = msgspec.json.decode(line, type=_Address)
        except (TimeoutError, msgspec.MsgspecError) as error:
            await self._stop()
            raise VenueUnreachable(
                "the lab did not start", venue="lab", hint="python -m perpscope.lab shows why"
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._stop()

    def collector(self, settings: Settings, announce: Callable[[str], None]) -> Collector:
        """The heart, pointed at the lab."""
        assert self._address is not None  # noqa: S101  # set by __aenter__
        lab: dict[str, object] = {
            "websocket_url": self._address.websocket,
            "rest_url": self._address.rest,
            "clock_url": f"{self._address.rest}/lab/clock",
            "weight_per_minute": 1e6,
        }
        symbols = settings.collect.symbols or (EVERYTHING,)
        tree = msgspec.structs.replace(
            settings,
            venue={"binance": lab},
            ccxt=Ccxt(),  # a demo asks nobody real
            collect=msgspec.structs.replace(settings.collect, venues=("binance",), symbols=symbols),
        )
        return Collector(tree, database=self.database, announce=announce)

    def _start_ns(self) -> int:
        """Market time to begin at: after what the database already holds, else so far back as the demo is long."""
        history_s = _DEFAULT_HISTORY_S if self._duration_s is None else self._duration_s * self._rate
        start_ns = wall_ns() - int(history_s * SECOND_NS)
        if self.database.is_file():
            with SqliteReader.open(self.database) as reader:
                heart = reader.heart()
            if heart is not None:
                start_ns = max(start_ns, heart.ts_market + SECOND_NS)
        return start_ns // SECOND_NS * SECOND_NS

    async def _stop(self) -> None:
        lab = self._lab
        if lab is None or lab.returncode is not None:
            return
        lab.terminate()
        try:
            await asyncio.wait_for(lab.wait(), _STOP_DEADLINE_S)
        except TimeoutError:
            lab.kill()
            await lab.wait()
