"""What goes into the agent market and what comes out of it, on one page: a `Setting`, and a `Step` at a time."""

import msgspec

from perpscope.lab.agent_world import Shock
from perpscope.lab.agents import Habits
from perpscope.lab.exchange import PLACES, Place

_NS = 1_000_000_000


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
    is_levered: bool = True  #: False: an ablation, everybody at 1×
    has_stops: bool = True  #: False: nobody has a stop
    has_withdrawal: bool = True  #: False: quotes stay whatever happens


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
