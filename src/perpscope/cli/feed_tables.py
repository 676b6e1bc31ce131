"""How the feeds are doing, as a table of at most 80 columns: a line for each feed of one venue, a grid of several."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from perpscope.app.availability import AFTERWARDS, POLLED, STREAMED, Availability
from perpscope.app.status import FeedLine
from perpscope.model.stream import Channel
from perpscope.stores.status import FeedState

#: Glyph and colour of each state; the word always stands beside them.
_STATES = {
    FeedState.LIVE: ("●", "green"),
    FeedState.REPLAY: ("▷", "cyan"),
    FeedState.STALE: ("◐", "yellow"),
    FeedState.SILENT: ("◌", "red"),
    FeedState.DOWN: ("✕", "red"),
}
#: What a venue publishes of its liquidations.
_SAMPLED = {
    "binance": "≤ 1 per symbol per s",
    "bitget": "≤ 2 per symbol per s",
    "bybit": "all of them",
    "hyperliquid": "followed accounts'",
    "okx": "not all of them",
}


def age(ms: int | None) -> str:
    """An age as people read it: `0.4 s`, `74 s`, `3 m 10 s`, `2 h`.

    >>> age(400), age(74_000), age(190_000), age(7_200_000), age(None)
    ('0.4 s', '74 s', '3 m 10 s', '2 h', '—')
    """
    if ms is None:
        return "—"
    seconds = ms / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} m {seconds % 60:.0f} s"
    return f"{seconds / 3600:.0f} h"


def feed_table(feeds: Sequence[FeedLine]) -> Table | Group:
    """One venue's feeds line by line; several venues' side by side, so that five fit a terminal."""
    venues = list(dict.fromkeys(feed.venue for feed in feeds))
    table = _lines(feeds) if len(venues) < 2 else _grid(feeds, venues)
    forced = [feed.venue for feed in feeds if feed.channel is Channel.LIQUIDATIONS and feed.venue in _SAMPLED]
    return Group(table, _told(forced)) if forced else table


def _lines(feeds: Sequence[FeedLine]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("feed", "state", "age", "events", "gaps", "24 h seen"):
        table.add_column(name, justify="left" if name in {"feed", "state"} else "right", no_wrap=True)
    for feed in feeds:
        glyph, colour = _STATES[feed.state]
        table.add_row(
            f"{feed.venue} {feed.channel.value}",
            Text(f"{glyph} {feed.state.value}", style=colour),
            age(feed.age_ms),
            f"{feed.events:,}",
            f"{feed.gaps:,}",
            seen(feed.coverage_24h),
        )
    least = min((feed for feed in feeds if feed.least_seen), key=lambda feed: feed.least_24h or 0.0, default=None)
    if least is not None:
        table.add_row(f"  least {least.least_seen}", "", "", "", "", seen(least.least_24h), style="dim")
    return table


def _grid(feeds: Sequence[FeedLine], venues: Sequence[str]) -> Table:
    """Channels by venues: the age of a live feed, the word for any other; events and gaps of each venue below."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("feed", *venues):
        table.add_column(name, justify="left" if name == "feed" else "right", no_wrap=True)
    by_place = {(feed.channel, feed.venue): feed for feed in feeds}
    for channel in dict.fromkeys(
        feed.channel for feed in sorted(feeds, key=lambda feed: list(Channel).index(feed.channel))
    ):
        table.add_row(channel.value, *(_cell(by_place.get((channel, venue))) for venue in venues))
    for name in ("events", "gaps"):
        sums = {venue: sum(getattr(feed, name) for feed in feeds if feed.venue == venue) for venue in venues}
        table.add_row(Text(name, style="dim"), *(f"{sums[venue]:,}" for venue in venues))
    least = {venue: [f.least_24h for f in feeds if f.venue == venue] for venue in venues}
    if any(share is not None for shares in least.values() for share in shares):
        worst = [min((share for share in least[venue] if share is not None), default=None) for venue in venues]
        table.add_row(Text("24 h, least", style="dim"), *map(seen, worst))
    return table


def seen(share: float | None) -> str:
    """A share of time as people read it, rounded down, so that 100 % means all of it.

    >>> seen(1.0), seen(0.99999), seen(0.5), seen(None)
    ('100 %', '99.99 %', '50.00 %', '—')
    """
    if share is None:
        return "—"
    return "100 %" if share == 1.0 else f"{int(share * 10_000) / 100:.2f} %"


def availability_table(lines: Sequence[Availability]) -> Table:
    """How each venue tells what differs between them: streamed, asked each so many seconds, or only afterwards."""
    venues = list(dict.fromkeys(line.venue for line in lines))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("published", *venues):
        table.add_column(name, justify="left" if name == "published" else "right", no_wrap=True)
    by_place = {(line.venue, line.channel, line.kind): line for line in lines}
    for channel, kind in dict.fromkeys((line.channel, line.kind) for line in lines):
        name = channel.value if kind is None else f"  {kind.value}"
        table.add_row(name, *(_how(by_place[venue, channel, kind]) for venue in venues))
    return table


def _how(line: Availability) -> Text:
    if line.every_s is not None:
        return Text(f"{line.every_s:g} s")
    words = {STREAMED: "streamed", POLLED: "asked", AFTERWARDS: "afterwards"}
    return Text(words.get(line.how, "·"), style="" if line.how in words else "dim")


def _cell(feed: FeedLine | None) -> Text:
    if feed is None:
        return Text("·", style="dim")
    glyph, colour = _STATES[feed.state]
    word = age(feed.age_ms) if feed.state in (FeedState.LIVE, FeedState.REPLAY) else feed.state.value
    return Text(f"{glyph} {word}", style=colour)


def _told(venues: Sequence[str]) -> Text:
    """What each of these venues publishes of its liquidations."""
    told = [f"{venue} {_SAMPLED[venue]}" for venue in venues]
    lines = [" · ".join(told[at : at + 2]) for at in range(0, len(told), 2)]
    return Text(
        "\n".join(f"{'liquidations: ' if not n else '              '}{line}" for n, line in enumerate(lines)),
        style="dim",
    )
