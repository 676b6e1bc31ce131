"""Whose money is where: every account of the agent market's venues, and the four things that may happen to it.

In: trades, fundings, closings by force, positions taken over. Out: the accounts, as arrays with one row per agent and
one per venue. Sizes are whole lots, so that longs equal shorts exactly; money is conserved, which `audit` tells.
Every venue's market maker is the other side of all orders; its insurance fund holds what nobody would take.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_linear import Floats, LinearTiers, linear_bankruptcy_prices
from perpscope.analytics.margin_tiers import TierTable
from perpscope.lab.agents.tiers import BTCUSDT_2024_10
from perpscope.lab.agents.truth import CLOSED, DELEVERAGED, Chronicle
from perpscope.model.market import Completeness, Sampling

Indices = NDArray[np.int64]

LOT = 0.0001  #: base units of one lot, unless another is asked for
TAKER_FEE, MAKER_FEE = 0.0005, 0.0002  #: fractions of notional
MAKER_LEVERAGE = 3.0  #: at most, of a market maker's account: it pays in before it would be over


class Place(msgspec.Struct, frozen=True):
    """One venue of the market."""

    venue: str
    share: float  #: of agents and of depth
    lag_s: float  #: in which its price comes back to the others'
    completeness: Completeness  #: of its liquidation feed
    sampling: Sampling
    told_after_s: float  #: delay of that feed


#: Shares chosen by hand after open interest in 2025; feeds as METHOD 2 has them. Bitget's sampling is not documented.
PLACES = (
    Place("binance", 0.42, 2.0, Completeness.SAMPLED, Sampling.LARGEST_1S, 1.0),
    Place("bybit", 0.22, 3.0, Completeness.COMPLETE, Sampling.NONE, 0.5),
    Place("okx", 0.16, 4.0, Completeness.SAMPLED, Sampling.LATEST_1S, 1.0),
    Place("bitget", 0.12, 6.0, Completeness.SAMPLED, Sampling.UNKNOWN, 1.0),
    Place("hyperliquid", 0.08, 8.0, Completeness.COMPLETE, Sampling.NONE, 0.2),
)


class Exchange:
    """The accounts of all venues.

    Args:
        count: agents; they are spread over the venues in contiguous runs.
        places: the venues; their shares add up to 1.
        fund_usd: what each insurance fund begins with, together.
        chronicle: where positions and liquidations are written down.
        lot: base units of one lot.
        table: margin tiers of all venues.
    """

    def __init__(
        self,
        count: int,
        places: tuple[Place, ...],
        fund_usd: float,
        chronicle: Chronicle,
        lot: float = LOT,
        table: TierTable = BTCUSDT_2024_10,
    ) -> None:
        shares = np.array([place.share for place in places])
        self.places = places
        self.lot = lot  #: base units
        self.tiers = LinearTiers(table)
        self.chronicle = chronicle
        edges = np.rint(np.concatenate(([0.0], np.cumsum(shares / shares.sum()))) * count).astype(np.int64)
        self.edges: list[int] = edges.tolist()  #: agents of venue v are edges[v]:edges[v+1]
        self.venue = np.repeat(np.arange(len(places)), np.diff(edges))
        # one row per agent
        self.lots = np.zeros(count)  #: signed: > 0 long
        self.entry = np.zeros(count)  #: average, quote per base
        self.margin = np.zeros(count)  #: isolated wallet of the position, quote units
        self.wallet = np.zeros(count)  #: the rest, quote units
        self.leverage = np.ones(count)
        self.floor = np.zeros(count)  #: liquidation price of longs; 0 for the others
        self.ceiling = np.full(count, np.inf)  #: of shorts
        # one row per venue
        venues = len(places)
        self.longs, self.shorts = np.zeros(venues), np.zeros(venues)  #: lots held by agents
        self.maker_lots, self.maker_cash = np.zeros(venues), np.zeros(venues)  #: signed; cash is what was paid for them
        self.fund_lots, self.fund_cash = np.zeros(venues), fund_usd * shares
        self.fees = np.zeros(venues)
        self.deposits = fund_usd * shares  #: everything that ever came in from outside
        self.opened, self.closed = np.zeros(venues), np.zeros(venues)  #: lots, since they were last cleared
        self._highest_floor, self._lowest_ceiling = [0.0] * venues, [np.inf] * venues

    @property
    def open_interest(self) -> Floats:
        """Lots of one side by venue; makers and funds counted."""
        return self.longs + np.maximum(self.maker_lots, 0.0) + np.maximum(self.fund_lots, 0.0)

    def agents(self, venue: int) -> slice:
        """Rows of a venue's agents."""
        return slice(self.edges[venue], self.edges[venue + 1])

    # trading -------------------------------------------------------------------------------------------------------

    def trade(self, who: Indices, lots: Floats, price: Floats, ts: int) -> None:
        """Agents trade with their market makers.

        Args:
            who: rows, each at most once.
            lots: signed: > 0 bought. Never more than closes a position, where it is against one.
            price: quote per base.
            ts: ns of market time.
        """
        held, size = self.lots[who], lots * self.lot
        venue, value = self.venue[who], np.abs(size) * price
        opening = held * lots >= 0
        new = held + lots
        if opening.any():
            at = who[opening]
            self._open(at, held[opening], lots[opening], price[opening])
            self.chronicle.grow(at, held[opening], new[opening], ts)
        if not opening.all():
            closing = ~opening
            self._close(who[closing], lots[closing], price[closing], ts)
        self.lots[who] = new
        totals = np.bincount(venue, size * price - MAKER_FEE * value, len(self.places))
        self.maker_cash += totals
        self.maker_lots -= np.bincount(venue, lots, len(self.places))
        self.fees += np.bincount(venue, (TAKER_FEE + MAKER_FEE) * value, len(self.places))
        self.reprice(who)

    def _open(self, who: Indices, held: Floats, lots: Floats, price: Floats) -> None:
        value = np.abs(lots) * self.lot * price
        need = value / self.leverage[who] + TAKER_FEE * value
        paid_in = np.maximum(need - self.wallet[who], 0.0)
        self.wallet[who] += paid_in - need
        self.deposits += np.bincount(self.venue[who], paid_in, len(self.places))
        self.margin[who] += value / self.leverage[who]
        self.entry[who] = (held * self.entry[who] + lots * price) / (held + lots)
        self._count(who, lots, lots > 0, self.opened)

    def _close(self, who: Indices, lots: Floats, price: Floats, ts: int) -> None:
        released = self._release(who, lots, price) - TAKER_FEE * np.abs(lots) * self.lot * price
        self.wallet[who] += np.maximum(released, 0.0)
        self.fund_cash += np.bincount(self.venue[who], np.minimum(released, 0.0), len(self.places))
        self._count(who, lots, lots < 0, self.closed)
        ended = who[self.lots[who] + lots == 0]
        if ended.size:
            self.chronicle.end(ended, ts, self, CLOSED)

    def _release(self, who: Indices, lots: Floats, price: Floats) -> Floats:
        """Margin and profit of the lots that are closed; quote units, may be below zero."""
        freed = self.margin[who] * (-lots / self.lots[who])
        self.margin[who] -= freed
        return np.asarray(freed - lots * self.lot * (price - self.entry[who]))

    def _count(self, who: Indices, lots: Floats, of_longs: NDArray[np.bool_], tally: Floats) -> None:
        venue = self.venue[who]
        self.longs += np.bincount(venue, np.where(of_longs, lots, 0.0), len(self.places))
        self.shorts -= np.bincount(venue, np.where(of_longs, 0.0, lots), len(self.places))
        tally += np.bincount(venue, np.abs(lots), len(self.places))

    def reprice(self, who: Indices) -> None:
        """Work out the liquidation prices of these rows anew."""
        lots = self.lots[who]
        long, short = who[lots > 0], who[lots < 0]
        self.floor[who] = 0.0
        self.ceiling[who] = np.inf
        if long.size:
            self.floor[long] = self.tiers.liquidation_prices(
                self.lots[long] * self.lot, self.entry[long], self.margin[long]
            )
            for venue, floor in zip(self.venue[long].tolist(), self.floor[long].tolist(), strict=True):
                self._highest_floor[venue] = max(self._highest_floor[venue], floor)
        if short.size:
            self.ceiling[short] = self.tiers.liquidation_prices(
                self.lots[short] * self.lot, self.entry[short], self.margin[short]
            )
            for venue, ceiling in zip(self.venue[short].tolist(), self.ceiling[short].tolist(), strict=True):
                self._lowest_ceiling[venue] = min(self._lowest_ceiling[venue], ceiling)

    def add_margin(self, who: Indices, amount: Floats) -> None:
        """Agents pay into their positions from outside; quote units."""
        self.margin[who] += amount
        self.deposits += np.bincount(self.venue[who], amount, len(self.places))
        self.reprice(who)

    # closing by force ----------------------------------------------------------------------------------------------

    def overdue(self, venue: int, mark: float) -> Indices:
        """Agents whose maintenance margin is not met at this mark; nearest bankruptcy last."""
        if self._highest_floor[venue] < mark < self._lowest_ceiling[venue]:
            return np.empty(0, np.int64)
        rows = self.agents(venue)
        floor, ceiling, lots = self.floor[rows], self.ceiling[rows], self.lots[rows]
        self._highest_floor[venue] = float(floor.max(initial=0.0))
        self._lowest_ceiling[venue] = float(ceiling.min(initial=np.inf))
        hit = np.flatnonzero(((lots > 0) & (floor >= mark)) | ((lots < 0) & (ceiling <= mark)))
        order = np.lexsort((hit, np.where(lots[hit] > 0, -floor[hit], ceiling[hit])))
        return np.asarray(hit[order] + self.edges[venue], np.int64)

    def seize(self, agent: int, lots: float, price: float, fee_rate: float) -> None:
        """Close lots of a position by force in the book, for a fee to the insurance fund as far as there is money.

        Args:
            agent: row.
            lots: signed, against the position.
            price: average fill, quote per base.
            fee_rate: fraction of notional.
        """
        who, venue, size = np.array([agent]), int(self.venue[agent]), lots * self.lot
        left = float(self._release(who, np.array([lots]), np.array([price]))[0])
        fee = min(max(left, 0.0), fee_rate * abs(size) * price)
        self.fund_cash[venue] += fee + min(left, 0.0)
        self.wallet[agent] += max(left - fee, 0.0)
        maker_fee = MAKER_FEE * abs(size) * price
        self.maker_cash[venue] += size * price - maker_fee
        self.maker_lots[venue] -= lots
        self.fees[venue] += maker_fee
        self._forced(who, lots)

    def take_over(self, agent: int, lots: float, price: float) -> None:
        """The insurance fund takes lots of a position at its bankruptcy price; arguments as of `seize`."""
        who, venue = np.array([agent]), int(self.venue[agent])
        left = float(self._release(who, np.array([lots]), np.array([price]))[0])  # 0 but for rounding
        self.fund_cash[venue] += lots * self.lot * price + left
        self.fund_lots[venue] -= lots
        self._forced(who, lots)

    def deleverage(self, agent: int, lots: float, price: float, ts: int) -> tuple[float, Indices]:
        """Close against the agents of the other side with the best profit × leverage; the rest is the fund's.

        Returns:
            Lots that were closed against agents, >= 0, and whose they were.
        """
        venue, loser = int(self.venue[agent]), np.array([agent])
        who, parts = self._best_placed(venue, lots, price)
        closed = float(parts.sum())
        if closed:
            sign = 1.0 if lots > 0 else -1.0
            self.fund_cash[venue] += float(self._release(loser, np.array([sign * closed]), np.array([price]))[0])
            self._forced(loser, sign * closed)
            signed = -sign * parts
            gained = self._release(who, signed, np.full(len(who), price))
            self.wallet[who] += np.maximum(gained, 0.0)
            self.fund_cash[venue] += float(np.minimum(gained, 0.0).sum())
            self._count(who, signed, signed < 0, self.closed)
            self.chronicle.end(who[self.lots[who] + signed == 0], ts, self, DELEVERAGED)
            self.lots[who] += signed
            self.reprice(who)
            lots -= sign * closed
        if lots:
            self.take_over(agent, lots, price)
        return closed, who

    def _best_placed(self, venue: int, lots: float, price: float) -> tuple[Indices, Floats]:
        """Whose positions are closed, and how many lots (>= 0) of each."""
        rows = self.agents(venue)
        held = self.lots[rows]
        able = np.flatnonzero(held * lots > 0)  # the other side of the position that is closed
        margin = np.maximum(self.margin[rows][able], 1e-9)
        profit = held[able] * self.lot * (price - self.entry[rows][able])
        rank = profit / margin * self.leverage[rows][able]
        able = able[profit > 0][np.argsort(-rank[profit > 0], kind="stable")]
        sizes = np.abs(held[able])
        before = np.concatenate(([0.0], np.cumsum(sizes)[:-1])) if able.size else np.empty(0)
        parts = np.clip(abs(lots) - before, 0.0, sizes)
        return able[parts > 0] + rows.start, parts[parts > 0]

    def _forced(self, who: Indices, lots: float) -> None:
        self._count(who, np.array([lots]), np.array([lots < 0]), self.closed)
        self.lots[who] += lots
        if self.lots[who[0]] == 0:
            self.margin[who] = 0.0

    def unwind(self, lots: Floats, price: Floats) -> None:
        """The funds trade with the market makers.

        Args:
            lots: by venue, signed: > 0 bought.
            price: by venue, quote per base.
        """
        self.fund_lots += lots
        self.fund_cash -= lots * self.lot * price
        self.maker_lots -= lots
        self.maker_cash += lots * self.lot * price

    # money ---------------------------------------------------------------------------------------------------------

    def pay_funding(self, rate: Floats, mark: Floats) -> None:
        """Longs pay shorts.

        Args:
            rate: by venue, fraction of notional; < 0: shorts pay.
            mark: by venue, quote per base.
        """
        per_lot = rate * mark * self.lot
        self.margin -= self.lots * per_lot[self.venue]
        self.maker_cash -= self.maker_lots * per_lot
        self.fund_cash -= self.fund_lots * per_lot
        self.reprice(np.flatnonzero(self.lots))

    def keep_makers_liquid(self, mark: Floats) -> None:
        """Makers pay in what keeps them below their leverage; mark by venue, quote per base."""
        worth = self.maker_lots * (self.lot * mark)
        value = np.abs(worth)
        missing = value / MAKER_LEVERAGE - self.maker_cash - worth
        if missing.max() <= 0.0:
            return
        paid_in = np.where(missing > 0, missing + 0.1 * value, 0.0)
        self.maker_cash += paid_in
        self.deposits += paid_in

    def fund_equity(self, venue: int, mark: float) -> float:
        """What an insurance fund is worth, quote units."""
        return float(self.fund_cash[venue] + self.fund_lots[venue] * self.lot * mark)

    def bankruptcy(self, agent: int) -> float:
        """Where nothing is left of a position's margin, quote per base."""
        rows = slice(agent, agent + 1)
        return float(linear_bankruptcy_prices(self.lots[rows] * self.lot, self.entry[rows], self.margin[rows])[0])

    def audit(self, mark: Floats) -> tuple[float, float, float]:
        """What must be zero; mark by venue, quote per base.

        Returns:
            Lots of longs less shorts over all accounts, money that appeared out of nothing as a fraction of what was
            paid in, and lots by which the running totals are off.
        """
        venue, count = self.venue, len(self.places)
        net = np.bincount(venue, self.lots, count) + self.maker_lots + self.fund_lots
        profit = self.lots * self.lot * (mark[venue] - self.entry)
        held = np.bincount(venue, self.wallet + self.margin + profit, count)
        lots = self.maker_lots + self.fund_lots
        value = held + (self.maker_cash + self.fund_cash + lots * self.lot * mark + self.fees)
        off = np.abs(np.bincount(venue, np.maximum(self.lots, 0.0), count) - self.longs).max()
        off += np.abs(np.bincount(venue, np.maximum(-self.lots, 0.0), count) - self.shorts).max()
        return float(np.abs(net).max()), float(np.abs(value - self.deposits).max() / self.deposits.sum()), float(off)
