"""What venues tell of their traders, as rows: open interest, ratios, taker volumes, funding paid and public positions.

Events come in from `intake`, tuples in column order and the statements that keep them go out. Of two rows with one key
the later word stays, in whatever order they come; but what was asked for afterwards never takes the place of what came
live, where both are about the same moment. The last column of what may be asked for afterwards says that it was.
"""

from typing import Final

from perpscope.model.market import AccountRatio, FundingPaid, OpenInterest, PublicPosition, TakerVolume
from perpscope.stores.rows import MINUTE_NS, Row, text_of


def open_interest_row(event: OpenInterest, venue: str, symbol: str) -> Row:
    """Row of `open_interest`."""
    ts_minute = event.ts_event - event.ts_event % MINUTE_NS
    return (
        venue,
        symbol,
        event.instrument,
        text_of(ts_minute),
        ts_minute,
        event.open_interest,
        event.open_interest_usd,
        event.ts_event,
        event.ts_recv,
    )


def ratio_row(event: AccountRatio, venue: str, symbol: str) -> Row:
    """Row of `long_short_ratio`."""
    longs = event.long_fraction
    return (
        venue,
        symbol,
        event.instrument,
        text_of(event.ts_event),
        event.kind.value,
        event.period_s,
        longs,
        longs / (1.0 - longs) if longs < 1.0 else None,
        event.ts_event,
        event.ts_recv,
    )


def taker_volume_row(event: TakerVolume, venue: str, symbol: str) -> Row:
    """Row of `taker_volume`."""
    return (
        venue,
        symbol,
        event.instrument,
        text_of(event.ts_event),
        event.period_s,
        event.buy_volume,
        event.sell_volume,
        event.ts_event,
        event.ts_recv,
    )


def funding_row(event: FundingPaid, venue: str, symbol: str) -> Row:
    """Row of `funding_rates`."""
    return (
        venue,
        symbol,
        event.instrument,
        text_of(event.ts_event),
        event.ts_event,
        event.funding_rate,
        event.mark,
        event.ts_recv,
    )


def position_row(event: PublicPosition, venue: str, symbol: str) -> Row:
    """Row of `public_positions` and of `public_position_history`."""
    return (
        venue,
        symbol,
        event.instrument,
        text_of(event.ts_event),
        event.account,
        event.position_side.value,
        event.size,
        event.entry_price,
        event.leverage,
        int(event.is_cross),
        event.margin_usd,
        event.liquidation_price,
        event.ts_event,
        event.ts_recv,
    )


_POSITION: Final = """venue, symbol, instrument, timestamp, account, position_side, size, entry_price, leverage,
    is_cross, margin_usd, liquidation_price, ts_event, ts_recv"""
_NEWER_POSITION: Final = """timestamp = excluded.timestamp, position_side = excluded.position_side,
    size = excluded.size, entry_price = excluded.entry_price, leverage = excluded.leverage,
    is_cross = excluded.is_cross, margin_usd = excluded.margin_usd, liquidation_price = excluded.liquidation_price,
    ts_event = excluded.ts_event, ts_recv = excluded.ts_recv
WHERE excluded.ts_event > ts_event"""
_LATER_OR_LIVE: Final = """WHERE excluded.is_backfilled < is_backfilled
    OR excluded.is_backfilled = is_backfilled AND excluded.ts_recv > ts_recv"""

#: By table: what keeps its rows. A position is kept as the newest of its account, and as the newest of its minute.
INSERT_TRADERS: Final = {
    "open_interest": (
        """
INSERT INTO open_interest (venue, symbol, instrument, timestamp, ts_minute, open_interest, open_interest_usd, ts_event,
    ts_recv, is_backfilled)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (venue, symbol, ts_minute) DO UPDATE SET open_interest = excluded.open_interest,
    open_interest_usd = excluded.open_interest_usd, ts_event = excluded.ts_event, ts_recv = excluded.ts_recv,
    is_backfilled = excluded.is_backfilled
WHERE excluded.ts_event > ts_event OR excluded.ts_event = ts_event AND excluded.is_backfilled < is_backfilled
""",
    ),
    "long_short_ratio": (
        f"""
INSERT INTO long_short_ratio (venue, symbol, instrument, timestamp, kind, period_s, long_fraction, long_short_ratio,
    ts_event, ts_recv, is_backfilled)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (venue, symbol, ts_event, kind, period_s) DO UPDATE SET long_fraction = excluded.long_fraction,
    long_short_ratio = excluded.long_short_ratio, ts_recv = excluded.ts_recv, is_backfilled = excluded.is_backfilled
{_LATER_OR_LIVE}
""",  # noqa: S608 -- ours
    ),
    "taker_volume": (
        f"""
INSERT INTO taker_volume (venue, symbol, instrument, timestamp, period_s, buy_volume, sell_volume, ts_event, ts_recv,
    is_backfilled)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (venue, symbol, ts_event, period_s) DO UPDATE SET buy_volume = excluded.buy_volume,
    sell_volume = excluded.sell_volume, ts_recv = excluded.ts_recv, is_backfilled = excluded.is_backfilled
{_LATER_OR_LIVE}
""",  # noqa: S608 -- ours
    ),
    "funding_rates": (
        f"""
INSERT INTO funding_rates (venue, symbol, instrument, timestamp, ts_event, funding_rate, mark_price, ts_recv,
    is_backfilled)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (venue, symbol, ts_event) DO UPDATE SET funding_rate = excluded.funding_rate,
    mark_price = coalesce(excluded.mark_price, mark_price), ts_recv = excluded.ts_recv,
    is_backfilled = excluded.is_backfilled
{_LATER_OR_LIVE}
""",  # noqa: S608 -- ours
    ),
    "public_positions": (
        f"""
INSERT INTO public_positions ({_POSITION})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (venue, symbol, account) DO UPDATE SET {_NEWER_POSITION}
""",  # noqa: S608 -- names of ours
        f"""
INSERT INTO public_position_history ({_POSITION}, ts_minute)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?13 - ?13 % {MINUTE_NS})
ON CONFLICT (venue, symbol, ts_minute, account) DO UPDATE SET {_NEWER_POSITION}
""",  # noqa: S608 -- names and numbers of ours
    ),
}
