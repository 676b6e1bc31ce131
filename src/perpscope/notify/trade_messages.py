"""What became of a trade, and what is held, in the words of a message; it always says whose money it is.

In: values. Out: lines of HTML with everything escaped that was not written here.
"""

from typing import Final

from perpscope.analytics.alerts.saying import Traded
from perpscope.app.answers.trade import label_words
from perpscope.app.trade.positions import RunHolds
from perpscope.model.run import RunSummary
from perpscope.notify.figures import in_words, price, safe
from perpscope.notify.phrases import Language, phrase, word
from perpscope.reports import numerals

_GLYPHS: Final = {
    "fill": "🔹",
    "stop": "🛑",
    "profit": "🎯",
    "liquidated": "💥",
    "naked": "⚠️",
    "mismatch": "⚠️",
    "halted": "⛔",
    "gone": "⚠️",
}
_FILLS: Final = frozenset({"fill", "stop", "profit", "liquidated"})


def traded_lines(told: Traded, language: Language) -> list[str]:
    """What became of a trade."""
    glyph = _GLYPHS.get(told.what, "✅")
    name = f"trade {told.what} {told.side}" if told.what == "fill" else f"trade {told.what}"
    why = f": {safe(told.why)}" if told.why else ""
    seconds = in_words(told.seconds or 0.0, language)
    head = phrase(language, name, size=amount(told.size), price=price(told.price), why=why, seconds=seconds)
    run = phrase(
        language, "trade run", strategy=safe(told.strategy), instrument=safe(told.instrument), run=safe(told.run)
    )
    lines = [f"{glyph} <b>{told.label}</b> {head}", run]
    if told.what in _FILLS:
        paid = [phrase(language, "trade fee", fee=money(told.fee))]
        if told.realised:
            paid.append(phrase(language, "trade realised", realised=money(told.realised, signed=True)))
        lines.append(" · ".join(paid))
    return lines


def held_lines(run: RunHolds, language: Language) -> list[str]:
    """What a run holds and what protects it."""
    told, held = run.now.status, run.now.status.held
    lines = [
        f"<b>{label_words(told.kind, told.data)}</b> "
        + phrase(
            language, "trade run", strategy=safe(told.strategy), instrument=safe(told.instrument), run=safe(told.run)
        )
    ]
    if held.side is None:
        lines.append(phrase(language, "held flat"))
    else:
        unrealised = money(held.unrealised, signed=True)
        size, entry, mark = amount(held.size), price(held.entry_price), price(held.mark)
        what = phrase(language, "held", side=safe(held.side), size=size, entry=entry, mark=mark, unrealised=unrealised)
        stop = (
            phrase(language, "held naked")
            if held.stop is None
            else phrase(language, "held stop", stop=price(held.stop))
        )
        lines.append(f"{what} · {stop}")
    rest = [phrase(language, "held orders", n=len(told.working))] if told.working else []
    rest += [phrase(language, "held fills", n=len(run.fills_today))] if run.fills_today else []
    if rest:
        lines.append(" · ".join(rest))
    if told.halted:
        lines.append(f"⛔ {phrase(language, 'trade halted', why=f': {safe(told.halted)}')}")
    if not run.now.is_running and not told.is_over:
        age = in_words(run.now.age_ms / 1e3, language)
        lines.append(f"⚠️ {phrase(language, 'held silent', age=age)}")
    return lines


def money_lines(run: RunHolds, language: Language) -> list[str]:
    """What a run has come to."""
    told, account = run.now.status, run.now.status.money
    head = phrase(
        language, "trade run", strategy=safe(told.strategy), instrument=safe(told.instrument), run=safe(told.run)
    )
    figures = phrase(
        language,
        "equity line",
        equity=money(account.equity),
        deposit=money(account.deposit),
        realised=money(account.realised, signed=True),
        fees=money(account.fees),
        funding=money(account.funding, signed=True),
    )
    return [f"<b>{label_words(told.kind, told.data)}</b> {head}", figures]


def run_lines(told: RunSummary, language: Language) -> list[str]:
    """A run that was kept."""
    verdict = word(language, told.verdict.value) or safe(told.verdict.value.replace("-", " "))
    come = phrase(language, "run line", trades=f"{told.trades:,}", net=money(told.net, signed=True), verdict=verdict)
    label = label_words(told.kind, told.data)
    return [f"<b>{safe(told.id)}</b> {label} {safe(told.strategy)} {safe(told.instrument)} · {come}"]


def amount(size: float | None) -> str:
    """Base units.

    >>> amount(0.0105), amount(None)
    ('0.0105', '—')
    """
    return numerals.UNKNOWN if size is None else f"{size:.10g}"


def money(value: float | None, *, signed: bool = False) -> str:
    """Quote units.

    >>> money(1005.5), money(-3.2, signed=True), money(0.0123)
    ('1,005.50', '−3.20', '0.0123')
    """
    if value is None:
        return numerals.UNKNOWN
    digits = 2 if abs(value) >= 0.1 or value == 0.0 else 4
    return f"{value:{'+' if signed else ''},.{digits}f}".replace("-", "−")
