"""The pictures of a tear sheet: equity and drawdown, months, costs, trades, leverage, capacity.

The same run gives the same bytes. A picture without data says so in its middle.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from perpscope.analytics.margin_arrays import Floats
from perpscope.model.run import Run
from perpscope.reports import numerals, style
from perpscope.reports.axis_marks import time_marks
from perpscope.reports.drawing import png
from perpscope.reports.liqmap_charts import Words, sheet
from perpscope.reports.tearsheet_words import CAPACITY, VERDICTS, counted, money, quote_of, tags
from perpscope.trading.performance.course import Course
from perpscope.trading.performance.drawdown import underwater

NAMES: Final = ("equity", "months", "costs", "trades", "leverage", "capacity")
_SMALL: Final = style.SIZE_TEXT * 0.8
_Place = tuple[float, float, float, float]
#: Share of the picture the months' grid may take and leave room for bars.
_ROOM_FOR_BARS: Final = 0.4
#: Trades from which their dots are fainter.
_MANY: Final = 1500
#: Runs as long as this are marked by months.
_MONTHLY_MS: Final = 100 * 86_400_000
_MOST_MARKS: Final = 12
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def pictures(run: Run, names: Collection[str] = NAMES) -> dict[str, bytes]:
    """PNG by name."""
    drawn = dict(zip(NAMES, (_equity, _months, _costs, _trades, _leverage, _capacity), strict=True))
    return {name: png(drawn[name](run)) for name in names}


def _sheet(run: Run, title: str) -> Figure:
    """The words around every picture, without axes."""
    summary = run.summary
    met, data = tags(summary)
    span = numerals.window(summary.from_ms, summary.to_ms)
    words = Words(
        title=f"{summary.strategy}: {title}",
        subject=f"{summary.instrument} · {span} · {counted(len(run.trades))}",
        tag=f"{met} · {data}",
        footnote=f"{VERDICTS[summary.verdict][0]}. Run {summary.id}, data {summary.data_hash[:12]}, result "
        f"{summary.hash[:12]}. For education and research only; not advice.",
    )
    picture, axes = sheet(words)
    picture.delaxes(axes)
    color = style.OK if summary.data == "observed" else style.WARN
    picture.texts[-1].set_bbox({"boxstyle": "round,pad=0.3", "facecolor": color, "edgecolor": "none"})
    return picture


def _axes(picture: Figure, place: _Place, title: str = "") -> Axes:
    axes = picture.add_axes(place, facecolor=style.CARD)
    for spine in axes.spines.values():
        spine.set_color(style.LINE)
    axes.tick_params(colors=style.DIM, labelsize=_SMALL, length=0, pad=6)
    axes.grid(visible=True, color=style.LINE, linewidth=1)
    axes.set_axisbelow(True)
    axes.set_title(title, color=style.DIM, fontsize=_SMALL, loc="left", parse_math=False, pad=10)
    return axes


def _say(axes: Axes, words: str) -> None:
    """Instead of marks."""
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", color=style.TEXT, fontsize=style.SIZE_TEXT)


def _in_time(axes: Axes, run: Run, *, is_labelled: bool) -> None:
    span = run.summary.from_ms, max(run.summary.to_ms, run.summary.from_ms + 1)
    axes.set_xlim(*span)
    marks = time_marks(*span) if span[1] - span[0] < _MONTHLY_MS else _firsts(*span)
    axes.set_xticks([at for at, _ in marks], [label if is_labelled else "" for _, label in marks])


def _firsts(from_ms: int, to_ms: int) -> list[tuple[float, str]]:
    """First days of months, every so many that at most a dozen are shown."""
    begin, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (from_ms, to_ms))
    count = (end.year - begin.year) * 12 + end.month
    every = next((step for step in (1, 2, 3, 6, 12, 24) if count / step <= _MOST_MARKS), 60)
    firsts = [datetime(begin.year + at // 12, at % 12 + 1, 1, tzinfo=UTC) for at in range(0, count, every)]
    return [(first.timestamp() * 1000, first.strftime("%b\n%Y")) for first in firsts if first >= begin]


def _percents(axes: Axes, decimals: int = 1) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.{decimals}f} %".replace("-", "−")))


def _course(run: Run) -> Course:
    """The curve from the very begin."""
    kept = Course.of(run.curve)
    return Course(
        at_ms=np.concatenate([[run.summary.from_ms], kept.at_ms]),
        equity=np.concatenate([[run.summary.deposit], kept.equity]),
        position=np.concatenate([[0.0], kept.position]),
        price=None if kept.price is None else np.concatenate([kept.price[:1], kept.price]),
        liquidation=None if kept.liquidation is None else np.concatenate([[np.nan], kept.liquidation]),
    )


def _equity(run: Run) -> Figure:
    """Equity above, what it is below its peak under it."""
    picture, course, deposit = _sheet(run, "equity"), _course(run), run.summary.deposit
    above = _axes(picture, (0.10, 0.40, 0.87, 0.41), f"equity, {quote_of(run.summary)}; dashed: the deposit")
    above.plot(course.at_ms, course.equity, color=style.TEXT, linewidth=1.6, drawstyle="steps-post")
    above.axhline(deposit, color=style.DIM, linestyle=(0, (6, 5)), linewidth=1.4)
    above.yaxis.set_major_locator(MaxNLocator(6))
    above.yaxis.set_major_formatter(FuncFormatter(lambda value, _: numerals.price_tick(round(value, 8))))
    _in_time(above, run, is_labelled=False)
    below = _axes(picture, (0.10, 0.13, 0.87, 0.19), "below the peak")
    fallen = underwater(course.equity, deposit)
    below.fill_between(course.at_ms, fallen, 0.0, color=style.SHORT_BAR, alpha=0.75, linewidth=0, step="post")
    below.set_ylim(float(fallen.min()) * 1.1 or -0.01, 0.0)
    _percents(below)
    _in_time(below, run, is_labelled=True)
    return picture


def _months(run: Run) -> Figure:
    """A cell for each month, the year beside them, and below, where there is room, the months as bars."""
    picture = _sheet(run, "return by month")
    years = sorted({name[:4] for name, _ in run.months})
    height = min(max(len(years), 1) * 0.11, 0.64)
    axes = _axes(picture, (0.08, 0.79 - height, 0.89, height))
    if not run.months:
        _say(axes, "no month to show")
        return picture
    axes.grid(visible=False)
    most = max(abs(gain) for _, gain in run.months) or 1.0
    by_year = dict.fromkeys(years, 1.0)
    for name, gain in run.months:
        row, column = years.index(name[:4]), int(name[5:]) - 1
        by_year[name[:4]] *= 1.0 + gain
        axes.bar(
            [column],
            [0.92],
            0.94,
            bottom=row - 0.46,
            color=_gain(gain),
            alpha=(0.15 + 0.55 * abs(gain) / most) * (gain != 0.0),
        )
        _cell(axes, column, row, gain)
    for year, growth in by_year.items():
        _cell(axes, 12, years.index(year), growth - 1.0, weight="bold")
    axes.set_xlim(-0.6, 12.6)
    axes.set_ylim(len(years) - 0.45, -0.55)
    axes.set_xticks(range(13), [*_MONTHS, "year"])
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(years)), years)
    if height < _ROOM_FOR_BARS:
        _month_bars(_axes(picture, (0.08, 0.14, 0.89, 0.57 - height), "the same in order"), run)
    return picture


def _month_bars(axes: Axes, run: Run) -> None:
    gains = [gain for _, gain in run.months]
    axes.bar(range(len(gains)), gains, 0.7, color=[_gain(gain) for gain in gains])
    axes.axhline(0.0, color=style.DIM, linewidth=2)
    axes.set_xlim(min(-0.6, len(gains) / 2 - 6.5), max(len(gains) - 0.4, len(gains) / 2 + 5.5))
    every = -(-len(gains) // 12)
    axes.set_xticks(range(0, len(gains), every), [name for name, _ in run.months[::every]])
    axes.grid(visible=False, axis="x")
    _percents(axes)


def _cell(axes: Axes, column: float, row: float, gain: float, weight: str = "normal") -> None:
    words = f"{gain * 100:{'+' if gain else ''}.1f} %".replace("-", "−")
    axes.text(column, row, words, ha="center", va="center", color=style.TEXT, fontsize=_SMALL * 0.9, weight=weight)


def _costs(run: Run) -> Figure:
    """From what prices gave to what was kept, step by step."""
    picture = _sheet(run, "where the money went")
    axes = _axes(
        picture, (0.10, 0.14, 0.87, 0.66), f"{quote_of(run.summary)}; each step begins where the last one ended"
    )
    level = run.performance.get("before_costs") or 0.0
    bars = [("before costs", 0.0, level, style.MODEL)]
    for name in ("slippage", "fees", "funding"):
        change = -(run.performance.get(name) or 0.0)
        bars.append((name, level, change, _gain(change)))
        level += change
    bars.append(("net", 0.0, level, style.OK if level > 0.0 else style.WARN))
    for at, (_, bottom, change, color) in enumerate(bars):
        axes.bar([at], [change], 0.6, bottom=bottom, color=color)
        axes.plot([at - 0.7, at + 0.3] if at else [], [bottom] * 2 if at else [], color=style.DIM, linewidth=1.2)
        _over(axes, at, max(bottom, bottom + change), money(change, signed=True))
    axes.axhline(0.0, color=style.DIM, linewidth=2)
    _air(axes, [bottom + part for _, bottom, change, _ in bars for part in (0.0, change)])
    axes.set_xticks(range(len(bars)), [name for name, *_ in bars])
    return picture


def _over(axes: Axes, at: float, top: float, words: str) -> None:
    """A label over a bar."""
    axes.annotate(words, (at, top), (0, 8), textcoords="offset points", ha="center", color=style.TEXT, fontsize=_SMALL)


def _air(axes: Axes, ends: list[float]) -> None:
    """Room above bars for their labels, and marks that are short."""
    low, high = min(*ends, 0.0), max(*ends, 0.0)
    reach = (high - low) or 1.0
    axes.set_ylim(low - 0.06 * reach, high + 0.12 * reach)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: numerals.tick(value) if value else "0"))
    axes.grid(visible=False, axis="x")


def _trades(run: Run) -> Figure:
    """What single trades brought, and how far they went either way on their course."""
    picture = _sheet(run, "single trades")
    left = _axes(picture, (0.09, 0.17, 0.40, 0.62), "trades by net return on their notional, %")
    right = _axes(picture, (0.57, 0.17, 0.40, 0.62), "furthest against and for it, %")
    if not run.trades:
        _say(left, "no trade")
        _say(right, "no trade")
        return picture
    nets = np.array([trade.net / (trade.size * trade.entry) for trade in run.trades]) * 100.0
    worst = np.array([trade.worst for trade in run.trades]) * 100.0
    best = np.array([trade.best for trade in run.trades]) * 100.0
    _histogram(left, nets)
    won, faint = nets > 0.0, 0.6 if nets.size < _MANY else 0.2
    for chosen, color, label in ((won, style.LONG, "won"), (~won, style.SHORT, "did not")):
        right.plot(
            worst[chosen], best[chosen], color=color, marker="o", markersize=4, linestyle="", alpha=faint, label=label
        )
    right.set_xlim(min(float(worst.min()) * 1.05, -1e-3), 0.0)
    right.set_ylim(0.0, max(float(best.max()) * 1.05, 1e-3))
    right.set_xlabel("MAE, %", color=style.DIM, fontsize=_SMALL)
    right.set_ylabel("MFE, %", color=style.DIM, fontsize=_SMALL)
    right.legend(
        loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=2, frameon=False, labelcolor=style.TEXT, fontsize=_SMALL
    )
    return picture


def _histogram(axes: Axes, nets: Floats) -> None:
    reach = max(float(np.abs(np.quantile(nets, (0.005, 0.995))).max()), 1e-6)
    step = reach / 20.0
    edges = np.arange(-20, 21) * step
    counts, _ = np.histogram(np.clip(nets, edges[0], edges[-1]), edges)
    middles = 0.5 * (edges[1:] + edges[:-1])
    colors = [style.LONG_BAR if middle > 0.0 else style.SHORT_BAR for middle in middles]
    axes.bar(middles, counts, step * 0.92, color=colors)
    axes.axvline(0.0, color=style.DIM, linewidth=2)
    axes.axvline(float(nets.mean()), color=style.TEXT, linestyle=(0, (6, 5)), linewidth=1.6, label="mean")
    axes.set_xlabel("net, % of notional; the outermost hold all beyond", color=style.DIM, fontsize=_SMALL)
    axes.legend(facecolor=style.CARD, edgecolor=style.LINE, labelcolor=style.TEXT, fontsize=_SMALL, loc="upper left")


def _leverage(run: Run) -> Figure:
    """How much was held of equity, and how far liquidation was."""
    picture, course = _sheet(run, "leverage and distance to liquidation"), _course(run)
    above = _axes(picture, (0.10, 0.50, 0.87, 0.31), "position at the mark ÷ equity; long above 0")
    below = _axes(picture, (0.10, 0.13, 0.87, 0.28), "from the mark to the liquidation price")
    if course.price is None:
        _say(above, "the marks were not kept")
        _say(below, "the marks were not kept")
        return picture
    alive = np.where(course.equity > 0.0, course.equity, np.nan)
    above.plot(
        course.at_ms, course.position * course.price / alive, color=style.LONG, linewidth=1.2, drawstyle="steps-post"
    )
    above.axhline(0.0, color=style.DIM, linewidth=1.4)
    above.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×".replace("-", "−")))
    _in_time(above, run, is_labelled=False)
    if course.liquidation is None or np.isnan(course.liquidation).all():
        _say(below, "no position had a liquidation price")
        return picture
    room = np.abs(course.liquidation / course.price - 1.0)
    below.plot(course.at_ms, room, color=style.SHORT, linewidth=1.2, marker="o", markersize=1.5)
    below.set_ylim(0.0, float(np.nanmax(room)) * 1.1)
    _percents(below)
    _in_time(below, run, is_labelled=True)
    return picture


def _capacity(run: Run) -> Figure:
    """Net against size."""
    picture = _sheet(run, "net by size")
    sizes = {
        float(name.removeprefix(CAPACITY)): net
        for name, net in run.performance.items()
        if name.startswith(CAPACITY) and net is not None
    }
    axes = _axes(
        picture, (0.10, 0.17, 0.87, 0.62), f"net, {quote_of(run.summary)}, were every trade larger by this much"
    )
    typical = run.performance.get("trade_notional")
    if not sizes or typical is None:
        _say(axes, "the cost model of this run says nothing of other sizes")
        return picture
    axes.bar(range(len(sizes)), list(sizes.values()), 0.6, color=[_gain(net) for net in sizes.values()])
    for at, net in enumerate(sizes.values()):
        _over(axes, at, max(net, 0.0), numerals.short(net))
    axes.axhline(0.0, color=style.DIM, linewidth=2)
    _air(axes, list(sizes.values()))
    axes.set_xticks(range(len(sizes)), [f"{k:g} ×\n{numerals.short(k * typical)}" for k in sizes])
    axes.set_xlabel(f"size, and its mean notional in {quote_of(run.summary)}", color=style.DIM, fontsize=_SMALL)
    return picture


def _gain(net: float) -> str:
    return style.LONG_BAR if net > 0.0 else style.SHORT_BAR
