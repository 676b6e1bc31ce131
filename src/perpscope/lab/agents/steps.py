"""What goes into the agent market and what comes out of it, on one page: a `Setting`, and a `Step` at a time."""

import math

import msgspec

from perpscope.analytics.margin_tiers import TierTable
from perpscope.lab.agents.exchange import PLACES, Place
from perpscope.lab.agents.habits import HELD, Habits, mean_size_usd
from perpscope.lab.agents.tiers import BTCUSDT_2024_10
from perpscope.lab.agents.world import Shock

_NS = 1_000_000_000
_LOT_USD = 6.0  # a lot is worth no more at the first price


class Setting(msgspec.Struct, frozen=True):
    """What market to make."""

    seed: int
    agents: int = 6000
    dt_s: float = 5.0  #: length of a step; 1 is finer, 5 faster
    price: float = 60_000.0  #: first, quote per base
    ts_start: int = 1_760_054_400 * _NS  #: ns UTC (2025-10-10)
    shocks: tuple[Shock, ...] = ()
    places: tuple[Place, ...] = PLACES
    habits: Habits | None = None  #: the seed draws them if None
    volatility: float = 1.0  #: multiplies the daily volatility that is drawn
    typical_usd: float | None = None  #: open interest of one side, about; None: what so many agents hold
    lot_size: float | None = None  #: base units; None: a power of ten worth 0.6 to 6 quote units
    tiers: TierTable = BTCUSDT_2024_10  #: of margin, on all venues
    is_levered: bool = True  #: False: an ablation, everybody at 1×
    has_stops: bool = True  #: False: nobody has a stop
    has_withdrawal: bool = True  #: False: quotes stay whatever happens

    @property
    def lot(self) -> float:
        """Base units of one lot."""
        if self.lot_size is not None:
            return self.lot_size
        return 10.0 ** math.floor(math.log10(_LOT_USD / self.price) + 1e-9)

    @property
    def people(self) -> float:
        """How many of METHOD's people an agent stands for, so that the open interest is what is asked."""
        usual = HELD / 2 * self.agents * mean_size_usd(self.agents)[0]
        return 1.0 if self.typical_usd is None else self.typical_usd / usual

    @property
    def open_interest_usd(self) -> float:
        """Of one side, about."""
        return HELD / 2 * self.agents * mean_size_usd(self.agents)[0] * self.people


class Step(msgspec.Struct, frozen=True, gc=False):
    """What one step brought; tuples have a value a venue, sizes in lots."""

    ts: int  #: ns UTC, at its end
    index: float  #: quote per base
    price: float  #: of the contract, all venues' middle
    depth: float  #: quotes that are there, as a share of a calm market's
    activity: float
    last: tuple[float, ...]
    mark: tuple[float, ...]
    funding_rate: tuple[float, ...]  #: the one paid last
    open_interest: tuple[float, ...]
    bought: tuple[float, ...]  #: by takers
    sold: tuple[float, ...]
    opened: tuple[float, ...]  #: gross, by agents of both sides
    closed: tuple[float, ...]
    liquidated_longs: tuple[float, ...]
    liquidated_shorts: tuple[float, ...]
    fund_usd: tuple[float, ...]  #: equity of the insurance funds
