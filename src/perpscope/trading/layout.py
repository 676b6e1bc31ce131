"""The desk: all that one run holds about one instrument, as one flat record.

Compiled loops and plain Python change the same bytes through the same functions, which is why a backtest in compiled
loops, one event by event, paper and live decide alike. Prices are whole ticks, sizes whole steps and money whole 10⁻⁸
of the quote wherever they move: integers add up exactly, in numba as in Python. What is only looked at is float64.

A desk is made by `desk.opened`, and read by people through `desk`'s views; a rule sees `WATCH`, `ACCOUNT`, its
parameters and its notes, and nothing else.
"""

from typing import Final

import numpy as np

DEPTH: Final = 20  #: levels of a side that are kept
BARS: Final = 512  #: closed one-minute candles that are kept
SLOTS: Final = 8  #: orders that may work at once
NEVER: Final = 2**62  #: `due` of a desk that waits for nothing
TIERS: Final = 16  #: margin tiers at most
NUMBERS: Final = 32  #: parameters, and notes, of a rule at most
MONEY: Final = 100_000_000  #: of money in one unit of the quote
RATE: Final = 100_000_000  #: of a fee or funding rate in 1
NS: Final = 1_000_000_000

# What a rule answers.
STAY: Final = 0
LONG: Final = 1
SHORT: Final = -1
EXIT: Final = 2

# Notes every rule leaves beside its answer; from NOTE_OWN on they are its own memory, and the last SEEN are what its
# entry rules looked at, by the strategy's `figures`.
NOTE_WHY: Final = 0  #: number of the reason, an index of the strategy's `reasons`
NOTE_FAILED: Final = 1  #: bit mask of the entry rules that failed; with exactly one bit a near miss
NOTE_STOP: Final = 2  #: distance of the protective stop from entry, fraction of price; 0 = none wanted
NOTE_TAKE: Final = 3  #: distance of the take-profit, fraction; 0 = none
NOTE_EDGE: Final = 4  #: expected net return of the trade, fraction of notional; NaN = the rule does not say
NOTE_SIDE: Final = 5  #: the side looked at for a near miss: LONG or SHORT
NOTE_OWN: Final = 8
SEEN: Final = 4
NOTE_SEEN: Final = NUMBERS - SEEN

# States of an order's slot.
FREE: Final = 0
SENT: Final = 1  #: on its way: the exchange knows it from `arrives_at` on
WORKING: Final = 2  #: at the exchange
# Kinds.
MARKET: Final = 0
LIMIT: Final = 1
STOP: Final = 2  #: market, when the mark reaches `price` against the position
TAKE: Final = 3  #: market, when the mark reaches `price` in its favour
# Roles.
ENTRY: Final = 0
LEAVE: Final = 1
PROTECT: Final = 2  #: the protective stop
PROFIT: Final = 3
LIQUIDATED: Final = 4  #: the exchange closed the position; of a fill only
FLATTEN: Final = 5  #: risk closed it: a limit was reached, or data too old

# What `step` answers: bits.
FILLED: Final = 1
DECIDED: Final = 2
PLACED: Final = 4
REFUSED: Final = 8
FUNDED: Final = 16
ENDED: Final = 32  #: the account holds nothing any more
HALF: Final = 64  #: half of the kept points are new since this was said last

_I = "i8"
_F = "f8"

# The rings of candles are pages long, and all of them are written at the same place: with something between them they
# do not fall on the same lines of a processor's cache, and a number read back is not taken for its neighbour's.
WATCH: Final = np.dtype(
    [
        ("now", _I),  #: ns UTC, receipt of the newest event
        ("bars", _I),  #: closed one-minute candles so far; the newest stands at (bars - 1) % BARS of the rings
        ("bar_at", _I),  #: ns UTC, close of the newest
        ("is_bar", _I),  #: 1 while a rule is asked because a candle closed, 0 because a second passed
        ("bar_ns", _I),  #: length of the newest candle; 0 before the first
        ("day_squares", _F),  #: Σ squared returns within the last 240 candles
        ("day_traded", _F),  #: Σ volume × close of the last 240 candles, quote units
        ("has_candles", _I),  #: 1 = candles come by themselves
        # prices, quote per base; NaN until told
        ("last", _F),
        ("bid", _F),
        ("ask", _F),
        ("mark", _F),
        # receipt of the newest of each, ns UTC; 0 = none
        ("trade_at", _I),
        ("book_at", _I),
        ("mark_at", _I),
        ("gap_at", _I),  #: since when something is not seen; 0 = nothing is missing
        ("opens", _F, (BARS,)),  #: quote per base
        # more that is told; NaN until then
        ("index", _F),
        ("funding_rate", _F),  #: fraction, of the interval that runs
        ("next_funding", _I),  #: ns UTC; 0 = not told
        ("open_interest", _F),  #: base units
        ("spread_ewma", _F),  #: of (ask - bid) / mid, half-life 10 minutes; NaN until warm
        ("spread_seconds", _I),  #: seconds with a book so far
        ("spread_mean", _F),  #: what `spread_ewma` tells once it is warm
        ("seconds", _I),  #: seconds so far; the newest sample stands at (seconds - 1) % 16
        ("highs", _F, (BARS,)),
        # the candle that is forming, made of trades where no candles come
        ("forming", _I),  #: ns UTC, start of its minute; 0 = none
        ("forming_open", _F),
        ("forming_high", _F),
        ("forming_low", _F),
        ("forming_close", _F),
        ("forming_volume", _F),
        ("forming_taker_buy", _F),
        ("liquidated_minute", _I),  #: minutes since 1970 of the newest of `liquidated_long` and `liquidated_short`
        ("lows", _F, (BARS,)),
        # sampled once a second
        ("imbalances", _F, (16,)),  #: (bids - asks) / (bids + asks) of the best five levels; NaN without a book
        ("closes", _F, (BARS,)),
        # dollars liquidated
        ("liquidated_long", _F, (8,)),  #: by minute, the newest at (minute number) % 8
        ("liquidated_short", _F, (8,)),
        ("volumes", _F, (BARS,)),  #: base units
        # the liquidation map as it was told last
        ("map_at", _I),
        ("above_price", _F),  #: nearest top-decile cluster above, quote per base; NaN = none
        ("above_usd", _F),
        ("below_price", _F),
        ("below_usd", _F),
        ("pull", _F),  #: (force above - force below) / (sum), in [-1, 1]; METHOD 6.10
        # the forecast as it was told last
        ("forecast_at", _I),
        ("forecast_for", _I),  #: close of the candle it is of, ns UTC
        ("taker_buys", _F, (BARS,)),  #: base units; NaN where not told
        ("p_up", _F),
        ("p_down", _F),
        ("edge", _F),  #: expected net return of the better side, fraction
        ("is_promoted", _I),  #: 1 = the model passed its promotion; 0 = its edge is "none"
        ("daily_of", _I),  #: `bars` when the two below were reckoned
        ("day_sigma", _F),  #: volatility of a day, fraction
        ("day_volume", _F),  #: what is traded in one, quote units
        ("returns", _F, (BARS,)),  #: close / close before - 1, by candle; 0 of the first
    ],
    align=True,
)

BOOK: Final = np.dtype(
    [
        ("bids", _I),  #: levels known
        ("asks", _I),
        ("bid_ticks", _I, (DEPTH,)),
        ("bid_steps", _I, (DEPTH,)),
        ("ask_ticks", _I, (DEPTH,)),
        ("ask_steps", _I, (DEPTH,)),
        ("at", _I),  #: ns UTC, the exchange's time of it; 0 = there is none
    ],
    align=True,
)

ACCOUNT: Final = np.dtype(
    [
        # money, all of it int64 10⁻⁸ quote: cash + margin = deposit + realised - fees - funding at every moment
        ("deposit", _I),
        ("cash", _I),  #: free wallet
        ("margin", _I),  #: isolated margin of the position
        ("realised", _I),  #: gross profit of what was closed
        ("fees", _I),  #: paid, liquidation fees among them
        ("funding", _I),  #: paid; below 0 = received
        ("slippage", _I),  #: what fills cost against the mid at the decision
        # the position
        ("size", _I),  #: steps, > 0 long, < 0 short
        ("cost", _I),  #: money paid for it, Σ price × |size|
        ("entry", _F),  #: average, quote per base; NaN while flat
        ("opened_at", _I),  #: ns UTC
        ("opened_bar", _I),  #: `WATCH.bars` at the entry
        ("closed_at", _I),  #: ns UTC, of the last close; 0 = never
        ("best", _F),  #: best mark since entry, for excursions
        ("worst", _F),
        ("trades", _I),  #: positions closed
        ("liquidations", _I),
        ("turnover", _I),  #: money
        # the contract
        ("worth", _I),  #: money of one tick × one step
        ("tick", _F),  #: quote per base
        ("step", _F),  #: base units
        ("min_notional", _I),  #: money
        ("leverage", _F),  #: the position's, multiple
        ("tiers", _I),
        ("tier_floor", _F, (TIERS,)),  #: quote units of notional
        ("tier_mmr", _F, (TIERS,)),
        ("tier_deduction", _F, (TIERS,)),  #: quote units
        ("is_by_size", _I),  #: 1 = tier floors are base units (OKX)
        ("closing_fee", _F),  #: counted in the liquidation trigger beside maintenance, fraction of notional
    ],
    align=True,
)

ORDER: Final = np.dtype(
    [
        ("id", _I),  #: 1, 2, 3 … within a run
        ("state", _I),
        ("kind", _I),
        ("role", _I),
        ("side", _I),  #: 1 buy, -1 sell
        ("size", _I),  #: steps
        ("filled", _I),  #: steps
        ("price", _I),  #: ticks: the limit, or the mark that triggers it
        ("is_reducing", _I),  #: 1 = closes, never opens
        ("placed_at", _I),  #: ns UTC, of the decision
        ("arrives_at", _I),  #: ns UTC, at the exchange
        ("expires_at", _I),  #: ns UTC; 0 = never
        ("mid", _F),  #: at the decision, quote per base
        ("why", _I),
        ("stop_at", _F),  #: of an entry: how far its protective stop is to stand, fraction; 0 = none
        ("take_at", _F),  #: of an entry: how far its take-profit
        ("is_resting", _I),  #: 1 = a limit order that met the market once: it is filled as maker from then on
    ],
    align=True,
)

FILL: Final = np.dtype(
    [
        ("ts", _I),  #: ns UTC, the exchange's
        ("order", _I),  #: its id; 0 of a liquidation
        ("role", _I),
        ("side", _I),
        ("size", _I),  #: steps, > 0
        ("price", _I),  #: ticks
        ("fee", _I),  #: money; below 0 = a rebate
        ("is_maker", _I),
        ("mid", _F),  #: at the decision
        ("placed_at", _I),
        ("realised", _I),  #: money, gross, of what it closed
        ("position", _I),  #: steps after it
        ("equity", _I),  #: money after it
        ("why", _I),
        ("funding", _I),  #: money, `ACCOUNT.funding` after it
        ("best", _F),  #: best mark of the position so far, quote per base
        ("worst", _F),
    ],
    align=True,
)

#: One answer of a rule that was not to stay, or that nearly was not.
DECISION: Final = np.dtype(
    [
        ("ts", _I),
        ("answer", _I),  #: LONG, SHORT, EXIT; STAY = a near miss
        ("why", _I),
        ("failed", _I),  #: mask of entry rules
        ("side", _I),  #: of a near miss
        ("refusal", _I),  #: number of `risk.REFUSALS`; 0 = approved
        ("size", _I),  #: steps that were ordered
        ("order", _I),
        ("price", _F),  #: mid, or last, quote per base
        ("stop", _F),
        ("edge", _F),
    ],
    align=True,
)

#: What was held at a moment: once a candle, and after each fill.
POINT: Final = np.dtype(
    [
        ("ts", _I),
        ("equity", _I),  #: money
        ("position", _I),  #: steps, signed
    ],
    align=True,
)

COSTS: Final = np.dtype(
    [
        ("taker", _I),  #: fee, of RATE
        ("maker", _I),
        ("liquidation", _I),  #: fee the liquidation engine takes, of RATE
        ("half_spread", _F),  #: fraction of price, where there is no book
        ("impact", _F),  #: Y of Y·σ_day·√(notional / daily volume), where there is no book
        ("latency_median", _I),  #: ns, decision → exchange
        ("latency_p99", _I),  #: ns
        ("latency_tail", _F),  #: chance of five times as long
        ("data_delay", _I),  #: ns, exchange → us, where the data does not tell
        ("seed", _I),
        # reckoned of the latencies when the first is drawn
        ("spread", _F),  #: σ of their logarithm
        ("median_of", _I),  #: ns, what it was reckoned of
        ("p99_of", _I),  #: ns
    ],
    align=True,
)

RISK: Final = np.dtype(
    [
        # limits
        ("mode", _I),  #: 0 observe, 1 paper, 2 live
        ("target", _I),  #: money of notional wanted; 0 = as much as risk allows
        ("per_trade", _F),  #: fraction of equity lost at the stop
        ("leverage", _F),
        ("depth_share", _F),  #: of the depth within 10 bps
        ("kelly", _F),  #: fraction of Kelly; 0 = not used
        ("daily_loss", _F),  #: fraction of the day's first equity
        ("drawdown", _F),  #: fraction of the peak
        ("streak", _I),  #: stops in a row until it pauses
        ("pause", _I),  #: ns
        ("cooldown", _I),  #: ns after a close
        ("mark_age", _I),  #: ns
        ("book_age", _I),  #: ns
        ("flatten_age", _I),  #: ns
        ("spread", _F),  #: multiple of its usual
        ("stop_room", _F),  #: liquidation at least so many stop distances away
        ("is_strict", _I),  #: 0 = the documents' own profile: limits told, not enforced
        # state
        ("day", _I),  #: UTC day
        ("day_equity", _I),
        ("peak", _I),
        ("deepest", _F),  #: largest drawdown so far, fraction; without what is `fallen`
        ("stops", _I),  #: in a row
        ("paused_until", _I),
        ("halted", _I),  #: number of the refusal that halted it; 0 = it runs
        ("refused", _I, (32,)),  #: how often, by refusal
        # further limits
        ("clock_skew", _I),  #: ns
        ("error_share", _F),  #: of calls within a minute that failed
        ("rejects", _I),  #: orders refused by the exchange in a row
        ("is_paced", _I),  #: 1 = candles are all there is: ages are reckoned in candles
        # further state
        ("stopped_until", _I),  #: ns UTC, midnight after a day that lost too much
        ("seen_bar", _I),  #: ns UTC, close of the newest candle looked at
        ("missed", _I),  #: candles missing before it
        ("skew", _I),  #: ns, the exchange's clock against ours, as measured; 0 = not told
        ("calls", _I),  #: asked of the exchange within the last minute
        ("errors", _I),  #: of these, failed
        ("rejected", _I),  #: orders refused in a row
        ("is_mismatched", _I),  #: 1 = the exchange's position is not ours
        ("bound", _I),  #: number of `sizing.BOUNDS` that bound the newest size
        ("newest", _I),  #: number of the newest refusal, sizing's among them
        ("worth", _I),  #: money, equity when day and peak were last looked at
        ("mark_every", _I),  #: ns between marks as they are told; a mark is not late before the next is due
        ("book_every", _I),  #: ns between books
        ("halted_at", _I),  #: ns UTC
        ("stop", _F),  #: distance of the protective stop of an entry that asks for none, fraction; 0 = it has none
        ("fallen", _I),  #: money, farthest below the peak since `deepest` was reckoned
        # as long as all of this holds, a candle that follows on the last reaches no limit
        ("quiet_until", _I),  #: ns UTC; 0 = everything has to be looked at
        ("quiet_bar", _I),  #: ns, length of the candles
        ("quiet_age", _I),  #: ns, from a candle's close to its receipt, at most
        ("quiet_above", _I),  #: money, equity; and below the peak
    ],
    align=True,
)

KEPT_FILLS: Final = 64
KEPT_DECISIONS: Final = 16
KEPT_POINTS: Final = 128

DESK: Final = np.dtype(
    [
        ("notes", _F, (NUMBERS,)),  #: on lines of their own, for eight of them are emptied at every bar
        ("watch", WATCH),
        ("book", BOOK),
        ("account", ACCOUNT),
        ("risk", RISK),
        ("costs", COSTS),
        ("is_simulated", _I),  #: 1 = the desk's own exchange fills; 0 = fills come from elsewhere
        ("due", _I),  #: ns UTC, when the next order arrives or is to be looked at; NEVER = none waits
        ("floor", _F),  #: quote per base; a mark above it and below `ceiling` triggers and liquidates nothing
        ("ceiling", _F),
        ("orders_made", _I),
        ("used", _I),  #: no slot from this one on holds an order
        ("orders", ORDER, (SLOTS,)),
        ("fills", _I),  #: so far; the newest stands at (fills - 1) % KEPT_FILLS
        ("kept_fills", FILL, (KEPT_FILLS,)),
        ("decisions", _I),
        ("kept_decisions", DECISION, (KEPT_DECISIONS,)),
        ("parameters", _F, (NUMBERS,)),
        ("points", _I),  #: of the equity curve so far; the newest stands at (points - 1) % KEPT_POINTS
        ("kept_points", POINT, (KEPT_POINTS,)),
        ("is_asked_each_second", _I),  #: 1 = the rule is asked at seconds too
    ],
    align=True,
)
