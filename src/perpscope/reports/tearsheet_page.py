"""A run as one HTML file that needs nothing else: the verdict in words first, then what it rests on.

Every figure stands in the file as plain HTML and as JSON (element "run"); charts and the sorting of trades are our own
script's. What the file may do says `single_file`.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import ceil
from typing import Final

from perpscope.model.run import Run, RunSummary, RunTrade, Verdict
from perpscope.reports import numerals
from perpscope.reports.single_file import part, single_file, table
from perpscope.reports.tearsheet import encoded
from perpscope.reports.tearsheet_significance import tests_of
from perpscope.reports.tearsheet_words import (
    FIGURES,
    VERDICTS,
    base_of,
    counted,
    money,
    named,
    places_of,
    quote_of,
    tags,
    written,
)

#: Trades that stand in the file as HTML: the largest; all of them are in its JSON, and shown by the script.
_SHOWN: Final = 100
#: Notes that are shown without being asked for; and how one begins that says a run was stopped.
_FEW_NOTES: Final = 4
_HALTED: Final = "risk halted"
_HOURS_IN_DAYS: Final = 72
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
#: A thin space lets a line end between a figure and its sign; the narrow one does not.
_THIN: Final = "\u2009"
_NARROW: Final = "\u202f"
#: Steps of the months' colours, each way.
_SHADES: Final = 4


def page(run: Run) -> bytes:
    """The whole file, UTF-8; the same run gives the same bytes."""
    summary = run.summary
    title = f"{summary.strategy} on {summary.instrument}"
    body = [
        _header(title, summary),
        _verdict(run),
        _tiles(run),
        _charts(summary),
        _months(run.months),
        _costs(run),
        _significance(run),
        _trades(run),
        _entries(summary),
        _figures(run),
        _economics(run.economics),
        _origin(run),
        _footer(summary),
    ]
    words = "".join(body).replace(_THIN, _NARROW)
    style = part("page.css") + part("tearsheet.css")
    return single_file(
        f"{title} ({', '.join(tags(summary))})", words, {"run": encoded(run).rstrip()}, style, part("tearsheet.js")
    )


def _header(title: str, summary: RunSummary) -> str:
    met, data = tags(summary)
    is_observed = " observed" if summary.data == "observed" else ""
    hours = (summary.to_ms - summary.from_ms) / 3_600_000
    lasted = numerals.hours(hours) if hours < _HOURS_IN_DAYS else f"{float(f'{hours / 24:.3g}'):,g} days"
    return (
        f'<header><h1>{escape(title)}</h1><p class="tags"><b class="tag model">{met}</b>'
        f'<b class="tag{is_observed}">{escape(data)}</b></p>'
        f"<p>{escape(numerals.window(summary.from_ms, summary.to_ms))} · {escape(lasted)} · "
        f"{escape(numerals.percent(summary.coverage))} of it seen · {counted(summary.trades)}</p></header>"
    )


def _verdict(run: Run) -> str:
    summary = run.summary
    heading, means = VERDICTS[summary.verdict]
    good = " good" if summary.verdict is Verdict.HOLDS else ""
    few = run.performance.get("rests_on_few")
    warning = "<p><b>It rests on few trades:</b> without the best 5 % of them nothing is left.</p>" if few else ""
    halts = [note for note in summary.notes if note.startswith(_HALTED)]
    stopped = "".join(f"<p><b>{escape(note[0].upper() + note[1:])}.</b></p>" for note in halts)
    assumed = _assumed([note for note in summary.notes if note not in halts])
    return (
        f'<section class="verdict{good}"><h2>{escape(heading)}</h2><p>{escape(summary.why)}</p>'
        f'<p class="dim">{escape(means)}</p>{stopped}{warning}{assumed}</section>'
    )


def _assumed(notes: Sequence[str]) -> str:
    """Folded where there are many: the figures are to be seen too."""
    if not notes:
        return ""
    is_open = " open" if len(notes) <= _FEW_NOTES else ""
    heading = f"<summary><b>What was assumed</b> ({len(notes)})</summary>"
    return f"<details{is_open}>{heading}<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul></details>"


def _tiles(run: Run) -> str:
    """The figures that are asked for first, each with how sure it is."""
    summary, found = run.summary, run.performance
    days = written(found.get("sharpe_days"), "count")
    interval = f"95 %: {_written(found, 'sharpe_low')} to {_written(found, 'sharpe_high')}; {days} days"
    if found.get("sharpe_low") is None:
        interval = f"of {days} days only"
    tiles = [
        ("net PnL", f"{money(summary.net, signed=True)} {quote_of(summary)}", f"on {money(summary.deposit)}"),
        ("return", numerals.percent(summary.net / summary.deposit, signed=summary.net != 0.0), _yearly(found)),
        ("max drawdown", numerals.percent(summary.max_drawdown), f"{_written(found, 'max_drawdown_days')} long"),
        ("Sharpe", written(summary.sharpe, "ratio"), interval),
        (
            "hit rate",
            written(summary.win_rate, "share"),
            f"95 %: {written(summary.win_low, 'share')} to {written(summary.win_high, 'share')}",
        ),
        ("profit factor", _written(found, "profit_factor"), f"payoff {_written(found, 'payoff')}"),
        ("fees", money(summary.fees), f"{_written(found, 'fee_share_of_gains')} of gross gains"),
        ("liquidations", f"{summary.liquidations:,}", _nearest(found)),
    ]
    cells = "".join(
        f"<div><span>{escape(name)}</span><b>{escape(value)}</b><small>{escape(more)}</small></div>"
        for name, value, more in tiles
    )
    return f'<section class="tiles">{cells}</section>'


def _yearly(found: Mapping[str, float | None]) -> str:
    yearly = found.get("annual_return")
    return "too short for a year's" if yearly is None else f"{numerals.percent(yearly, signed=True)} a year"


def _nearest(found: Mapping[str, float | None]) -> str:
    nearest = found.get("nearest_liquidation")
    return "nearest distance not kept" if nearest is None else f"nearest {numerals.percent(nearest)} away"


def _charts(summary: RunSummary) -> str:
    words = "Point at the chart, or use the arrow keys."
    return (
        f'<section><h2>Equity, drawdown, leverage, liquidation</h2><p class="read" aria-live="polite">{words}</p>'
        f'<div class="plot time" role="img" tabindex="0" aria-label="Equity in {escape(quote_of(summary))}, drawdown, '
        'leverage and distance to liquidation by time; arrow keys read them out"></div></section>'
    )


def _months(months: Iterable[tuple[str, float]]) -> str:
    """A row for each year, a column for each month that any year has."""
    found = dict(months)
    most = max((abs(gain) for gain in found.values()), default=0.0) or 1.0
    columns = sorted({int(name[5:]) for name in found})
    rows = []
    for year in sorted({name[:4] for name in found}):
        cells, growth = [], 1.0
        for month in columns:
            gain = found.get(f"{year}-{month:02}")
            cells.append("<td></td>" if gain is None else f'<td class="{_shade(gain, most)}">{_gain(gain)}</td>')
            growth *= 1.0 + (gain or 0.0)
        rows.append(f'<tr><th scope="row">{year}</th>{"".join(cells)}<td><b>{_gain(growth - 1.0)}</b></td></tr>')
    names = ("", *(_MONTHS[month - 1] for month in columns), "year")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    grid = f'<table class="months"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f"<section><h2>Return by month</h2>{_scroll(grid)}</section>"


def _shade(gain: float, most: float) -> str:
    step = ceil(abs(gain) / most * _SHADES)
    return "" if not step else f"{'up' if gain >= 0.0 else 'down'}{step}"


def _gain(gain: float) -> str:
    return escape(numerals.percent(gain, signed=gain != 0.0))


def _costs(run: Run) -> str:
    found, unit = run.performance, quote_of(run.summary)
    rows = [("before every cost", found.get("before_costs"), "what the mids at the decisions gave")]
    rows += [
        (
            "− slippage",
            _minus(found.get("slippage")),
            "half the spread, the book walked, and what the price did meanwhile",
        ),
        ("= gross", found.get("gross"), "between the prices that were paid"),
        ("− fees", _minus(found.get("fees")), f"{_written(found, 'fees_bps')} of what was traded"),
        ("− funding", _minus(found.get("funding")), "above 0: received"),
        ("= net", found.get("net"), f"{_written(found, 'expectancy_bps')} of what was opened"),
    ]
    cells = [[name, "—" if value is None else money(value, signed=True), says] for name, value, says in rows]
    return (
        '<section><h2>Where the money went</h2><div class="pair"><div class="plot bars" role="img" '
        'aria-label="From PnL before costs to net; the table has the figures"></div>'
        f"{_scroll(table(['step', unit, ''], cells), 'words')}</div></section>"
    )


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _significance(run: Run) -> str:
    rows = [[test.name, test.found, test.asks, test.verdict] for test in tests_of(run)]
    asked = table(["test", "found", "asked", ""], rows)
    return (
        "<section><h2>Does it mean anything?</h2>"
        f'<div class="pair">{_scroll(asked, "words")}<div class="plot capacity" role="img" aria-label="Net by size">'
        "</div></div></section>"
    )


def _trades(run: Run) -> str:
    unit, base = quote_of(run.summary), base_of(run.summary)
    shown = sorted(run.trades, key=lambda trade: -abs(trade.net))[:_SHOWN]
    which = "" if len(shown) == len(run.trades) else f"The {_SHOWN} largest of {len(run.trades):,}. "
    head = ["opened, UTC", "side", f"size, {base}", "entry", "exit", "held", f"net, {unit}", "gross", "fees", "funding"]
    head += ["slippage", "worst", "best", "in", "out"]
    return (
        '<section class="trades"><h2>Trades</h2><div class="pair"><div class="plot nets" role="img" '
        'aria-label="Trades by their net return"></div><div class="plot ways" role="img" '
        'aria-label="Worst against best excursion of each trade"></div></div>'
        f'<p class="dim picks">{which}All are in this file as JSON, and beside it as CSV.</p>'
        f"{_scroll(table(head, (_trade(trade, places_of(run.summary)) for trade in shown)))}</section>"
    )


def _trade(trade: RunTrade, places: int) -> list[str]:
    out = f"{trade.why_out} (liquidated)" if trade.is_liquidated else trade.why_out
    return [
        numerals.moment(trade.opened_ms, "%Y-%m-%d %H:%M:%S"),
        "▲ long" if trade.side == "LONG" else "▼ short",
        f"{trade.size:.8g}",
        numerals.price(trade.entry),
        numerals.price(trade.exit),
        numerals.seconds((trade.closed_ms - trade.opened_ms) / 1000),
        *(money(value, signed=True, places=places) for value in (trade.net, trade.gross)),
        *(money(value, places=places) for value in (trade.fees, trade.funding, trade.slippage)),
        *(numerals.percent(value, signed=True) for value in (trade.worst, trade.best)),
        trade.why_in,
        out,
    ]


def _entries(summary: RunSummary) -> str:
    """What was refused, and what nearly was an entry."""
    parts = [
        f"<div><h3>{title}</h3>{_scroll(table(head, _counted(counts)))}</div>"
        for title, head, counts in (
            ("Entries risk refused", ["reason", "times"], summary.refused),
            ("Near misses: one rule short", ["rule", "times"], summary.near_misses),
        )
        if counts
    ]
    return (
        f'<section><h2>What did not become a trade</h2><div class="pair">{"".join(parts)}</div></section>'
        if parts
        else ""
    )


def _counted(counts: Mapping[str, int]) -> list[list[str]]:
    return [[name, f"{count:,}"] for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]


def _figures(run: Run) -> str:
    """All of them, by group."""
    groups: dict[str, list[list[str]]] = {}
    ordered = [name for name in FIGURES if name in run.performance]
    for name in (*ordered, *(name for name in run.performance if name not in FIGURES)):
        what = named(name)
        groups.setdefault(what.group, []).append([what.label, written(run.performance[name], what.unit)])
    tables = "".join(
        f"<div><h3>{escape(group)}</h3>{table(['figure', ''], rows)}</div>" for group, rows in groups.items()
    )
    unsaid = '<p class="dim">“—” cannot be said.</p>'
    return f'<section><h2>Every figure</h2>{unsaid}<div class="columns">{tables}</div></section>'


def _economics(economics: Mapping[str, float | None]) -> str:
    if not economics:
        return ""
    rows = [[name.replace("_", " "), "—" if value is None else f"{value:,.6g}"] for name, value in economics.items()]
    third = ceil(len(rows) / 3)
    tables = "".join(f"<div>{table(['figure', ''], rows[at : at + third])}</div>" for at in range(0, len(rows), third))
    return f'<section><h2>Economics of this configuration</h2><div class="columns">{tables}</div></section>'


def _origin(run: Run) -> str:
    """What it takes to make it again."""
    summary = run.summary
    rows = [
        ["run", summary.id],
        ["made, UTC", numerals.moment(summary.made_ms)],
        ["data", ", ".join(summary.sources)],
        ["sha256 of the data", summary.data_hash],
        ["sha256 of decisions, fills and settings", summary.hash],
        ["path", summary.path],
        ["seed", str(summary.seed)],
        ["perpscope", summary.version or "not kept"],
        ["cash flows less the change of equity", money(summary.equity_error)],
        ["parameter sets tried", f"{run.trials:,}"],
    ]
    chosen = [[name, f"{value:g}"] for name, value in summary.parameters.items()]
    return (
        '<section><h2>To make it again</h2><div class="pair">'
        f"<div><h3>Parameters</h3>{_scroll(table(['parameter', 'value'], chosen))}</div>"
        f'<div class="origin"><h3>Origin</h3>{_scroll(table(["what", ""], rows))}</div></div></section>'
    )


def _footer(summary: RunSummary) -> str:
    demo = "This is a generated market: nothing in it happened. " if summary.data == "demo" else ""
    return (
        f"<footer>{demo}For education and research only; not advice. What a strategy did on past data is not "
        "what it will do. Made by perpscope; everything is also in this file as JSON (element “run”).</footer>"
    )


def _written(found: Mapping[str, float | None], name: str) -> str:
    return written(found.get(name), named(name).unit)


def _scroll(content: str, kind: str = "") -> str:
    return f'<div class="scroll {kind}" role="group" tabindex="0" aria-label="table">{content}</div>'
