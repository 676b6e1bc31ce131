"""What the reading commands answer: the same readers as the API's, in a few lines for a chat.

In: a store, the settings, what was asked. Out: HTML. Reads a database: call it beside the event loop.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from perpscope.errors import ConfigError, PerpscopeError
from perpscope.feeds.clock import wall_ns
from perpscope.notify.figures import length, price, safe
from perpscope.notify.messages import tag
from perpscope.notify.phrases import Language, phrase, word
from perpscope.reports import numerals
from perpscope.settings import Settings

if TYPE_CHECKING:
    from perpscope.app.status import FeedLine, Status
    from perpscope.app.trade.positions import Positions, RunHolds

_COIN: Final = re.compile(r"[A-Za-z0-9][\w.\-:/]{0,39}")
_HOURS: Final = re.compile(r"(\d{1,3})([mhd])")
_UNITS: Final = {"m": 1 / 60, "h": 1.0, "d": 24.0}
_MOST_HOURS: Final = 720.0
_CLUSTERS: Final = 4
_MOVES: Final = (-0.03, 0.03)
_DEFAULT: Final = "BTC"
_NEWEST: Final = 8  #: signals in an answer
_MOST_RUNS: Final = 8


class Questions:
    """Answers about one store.

    Args:
        database: the store; None = this face has none.
        settings: what is collected.
        language: of the answers.
    """

    def __init__(self, database: Path | None, settings: Settings, language: Language) -> None:
        self._database = database
        self._settings = settings
        self._language = language
        self._answers: Mapping[str, Callable[[Path, Sequence[str]], list[str]]] = {
            "status": self._status,
            "map": self._map,
            "liq": self._liq,
            "sentiment": self._sentiment,
            "signals": self._signals,
            "positions": self._positions,
            "pnl": self._pnl,
            "runs": self._runs,
        }

    def knows(self, name: str) -> bool:
        """Whether there is such a command here."""
        return name in self._answers

    def answer(self, name: str, words: Sequence[str]) -> str:
        """The answer to a command, whatever goes wrong."""
        if self._database is None:
            return phrase(self._language, "no_store")
        try:
            lines = self._answers[name](self._database, words)
        except PerpscopeError as error:
            lines = [phrase(self._language, "trouble", code=error.code, why=safe(error.message))]
            lines += [] if error.hint is None else [f"→ {safe(error.hint)}"]
        return "\n".join(lines)

    # one each ------------------------------------------------------------------------------------------------------

    def _status(self, path: Path, _: Sequence[str]) -> list[str]:
        from perpscope.app.status import read_status  # noqa: PLC0415 -- engines are loaded when they are asked

        told = read_status(path, self._settings)
        is_running = told.heart is not None and told.heart.is_running
        state = phrase(self._language, "running" if is_running else "not_running")
        head = [tag(told.data.value, self._language), phrase(self._language, "heart", state=state)]
        lines = [" · ".join(part for part in head if part), *self._feeds(told)]
        counts = told.events
        stored = {"n": f"{counts.total:,}", "day": f"{counts.last_24h:,}", "hour": f"{counts.last_1h:,}"}
        return [*lines, phrase(self._language, "stored", **stored)]

    def _feeds(self, told: "Status") -> list[str]:
        """A line for each venue: how many of its feeds are live, and which are not."""
        by_venue: dict[str, list[FeedLine]] = {}
        for feed in told.feeds:
            by_venue.setdefault(feed.venue, []).append(feed)
        lines = []
        for venue, feeds in by_venue.items():
            ill = [feed for feed in feeds if feed.state.value not in {"live", "replay"}]
            ages = [feed.age_ms for feed in feeds if feed.age_ms is not None]
            newest = "" if not ages else f" · {numerals.seconds(min(ages) / 1e3)}"
            names = ", ".join(f"{self._word(f.channel.value)} {self._word(f.state.value)}" for f in ill[:4])
            lines.append(
                f"{'●' if not ill else '◐'} {safe(venue)} {len(feeds) - len(ill)}/{len(feeds)}{newest}"
                + (f" · {names}" if names else "")
            )
        return lines

    def _map(self, path: Path, words: Sequence[str]) -> list[str]:
        from perpscope.app.answers.known import Waiting, read_or_wait  # noqa: PLC0415
        from perpscope.app.liqmap.parts import Question  # noqa: PLC0415
        from perpscope.app.liqmap.reading import read_map  # noqa: PLC0415

        coin = _coin(words)
        question = Question(name=coin, top=_CLUSTERS, moves=_MOVES)
        found = read_or_wait(path, self._settings, coin, lambda where: read_map(where, question))
        if isinstance(found, Waiting):
            return [safe(found.why)]
        model = phrase(self._language, "model")
        head = phrase(self._language, "map_head", coin=safe(coin.upper()), price=price(found.summary.price))
        lines = self._headed(found.data.value, f"<b>{head}</b> {model}")
        for cluster in sorted(found.clusters, key=lambda one: -one.peak):
            side = (
                f"▼ {phrase(self._language, 'longs')}" if cluster.is_long else f"▲ {phrase(self._language, 'shorts')}"
            )
            away = numerals.percent(cluster.distance_pct / 100.0, signed=True)
            lines.append(f"{price(cluster.peak)} {away} {side} ~{numerals.usd(cluster.usd)}")
        for guess in found.what_if:
            name = "what_if_down" if guess.is_long else "what_if_up"
            move = numerals.percent(abs(guess.distance_pct) / 100.0)
            lines.append(phrase(self._language, name, move=move, usd=numerals.usd(guess.usd)))
        at = numerals.moment(found.at_ms, "%H:%M:%S")
        return [*lines, f"{at} UTC · {phrase(self._language, 'no_forecast')}"]

    def _liq(self, path: Path, words: Sequence[str]) -> list[str]:
        from perpscope.app.answers.known import Waiting, read_or_wait  # noqa: PLC0415
        from perpscope.app.totals.reading import read_totals  # noqa: PLC0415

        hours = next((asked for each in words if (asked := hours_in(each)) is not None), 1.0)
        coin = next((each for each in words if hours_in(each) is None), None)
        name = None if coin is None else _coin([coin])
        found = read_or_wait(
            path, self._settings, name, lambda where: read_totals(where, symbol=name, hours=hours, last=0)
        )
        if isinstance(found, Waiting):
            return [safe(found.why)]
        sides = found.total
        of = "" if name is None else f" · {safe(name.upper())}"
        head = phrase(self._language, "liq_head", hours=length(hours, self._language), coin=of)
        lines = self._headed(found.data.value, f"<b>{head}</b>")
        seen = [numerals.usd(sides.long.observed_usd), numerals.usd(sides.short.observed_usd)]
        observed = phrase(self._language, "observed" if found.data.value == "observed" else found.data.value)
        lines.append(f"{phrase(self._language, 'liq_line', long=seen[0], short=seen[1])} {observed}")
        both = sides.both
        if both.estimated_usd is not None and both.high_usd is not None:
            amounts = {"usd": both.estimated_usd, "low": both.low_usd, "high": both.high_usd}
            told = {key: numerals.usd(value) for key, value in amounts.items()}
            lines.append(f"{phrase(self._language, 'liq_estimated', **told)} {phrase(self._language, 'model')}")
        return [*lines, f"{numerals.window(found.from_ms, found.to_ms)} · {phrase(self._language, 'liq_floor')}"]

    def _sentiment(self, path: Path, words: Sequence[str]) -> list[str]:
        from perpscope.app.answers.known import Waiting, read_or_wait  # noqa: PLC0415
        from perpscope.app.sentiment.reading import read_sentiment  # noqa: PLC0415

        coin = _coin(words)
        found = read_or_wait(path, self._settings, coin, lambda where: read_sentiment(where, coin))
        if isinstance(found, Waiting):
            return [safe(found.why)]
        told, model = found.sentiment, phrase(self._language, "model")
        value = numerals.UNKNOWN if told.value is None else f"{told.value:.0f}"
        label = numerals.UNKNOWN if told.label is None else self._word(told.label)
        head = phrase(self._language, "sentiment_head", coin=safe(coin.upper()), value=value, label=label)
        lines = self._headed(found.data.value, f"<b>{head}</b> {model}")
        largest = sorted((one for one in told.contributions if one.points), key=lambda one: -abs(one.points))[:3]
        if largest:
            lines.append(" · ".join(f"{self._word(one.name)} {one.points:+.1f}" for one in largest).replace("-", "−"))
        risk = found.risk.score.value
        level = "" if found.risk.level is None else f" ({self._word(found.risk.level)})"
        if risk is not None:
            lines.append(phrase(self._language, "sentiment_risk", value=f"{risk:.0f}", level=level))
        at = numerals.moment(found.at_ms, "%H:%M:%S")
        return [*lines, f"{at} UTC · {phrase(self._language, 'no_forecast')}"]

    def _signals(self, path: Path, words: Sequence[str]) -> list[str]:
        from perpscope.app.answers.known import Waiting, read_or_wait  # noqa: PLC0415
        from perpscope.app.answers.signals import SignalsAsked, read_page  # noqa: PLC0415

        name = _coin(words) if words else None
        asked = SignalsAsked(name=name)
        found = read_or_wait(path, self._settings, name, lambda where: read_page(where, self._settings, asked, _NEWEST))
        if isinstance(found, Waiting):
            return [safe(found.why)]
        of = "" if name is None else f" · {safe(name.upper())}"
        lines = self._headed(found.data.value, f"<b>{phrase(self._language, 'signals')}</b>{of}")
        for one in found.signals:
            at = numerals.moment(one.at_ms, "%H:%M:%S")
            side = phrase(self._language, "near_miss", side=one.side) if one.is_near_miss else one.side
            odds = "" if one.p_up is None or one.p_down is None else f" ↑{one.p_up:.0%} ↓{one.p_down:.0%}"
            why = ", ".join(one.failed) or one.why
            lines.append(f"{at} {safe(one.instrument)} {safe(one.strategy)} {side}{odds} · {safe(why)}")
        if not found.signals:
            lines.append(phrase(self._language, "no_signals"))
        return [*lines, phrase(self._language, "opinions")]

    def _positions(self, path: Path, _: Sequence[str]) -> list[str]:
        from perpscope.notify.trade_messages import held_lines  # noqa: PLC0415

        found = self._held(path)
        halted = f" · ⛔ {safe(found.mode.halted)}" if found.mode.halted else ""
        head = f"{phrase(self._language, 'mode line', mode=found.mode.mode)}{halted}"
        return [head, *self._of_runs(found, held_lines)]

    def _pnl(self, path: Path, _: Sequence[str]) -> list[str]:
        from perpscope.notify.trade_messages import money_lines  # noqa: PLC0415

        return self._of_runs(self._held(path), money_lines)

    def _held(self, path: Path) -> "Positions":
        from perpscope.app.trade.positions import read_positions  # noqa: PLC0415

        return read_positions(path, self._settings.trade, wall_ns() // 1_000_000)

    def _of_runs(self, found: "Positions", lines_of: Callable[["RunHolds", Language], list[str]]) -> list[str]:
        lines = [line for run in found.runs[:_MOST_RUNS] for line in lines_of(run, self._language)]
        lines += [] if found.runs else [phrase(self._language, "nothing held")]
        return lines + [f"! {safe(words)}" for words in found.faults]

    def _runs(self, path: Path, _: Sequence[str]) -> list[str]:
        from perpscope.notify.trade_messages import run_lines  # noqa: PLC0415
        from perpscope.stores.runs import Runs  # noqa: PLC0415

        with Runs(path) as kept:
            found = kept.list(_MOST_RUNS)
        lines = [line for told in found for line in run_lines(told, self._language)]
        return lines or [phrase(self._language, "no_runs")]

    def _headed(self, data: str, head: str) -> list[str]:
        banner = tag(data, self._language)
        return [banner, head] if banner else [head]

    def _word(self, text: str) -> str:
        return word(self._language, text) or safe(text.replace("_", " "))


def hours_in(word: str) -> float | None:
    """A length of time in hours.

    >>> hours_in("30m"), hours_in("1d"), hours_in("BTC")
    (0.5, 24.0, None)
    """
    match = _HOURS.fullmatch(word.lower())
    if match is None:
        return None
    return min(_MOST_HOURS, int(match[1]) * _UNITS[match[2]]) or None


def _coin(words: Sequence[str]) -> str:
    name = words[0] if words else _DEFAULT
    if not _COIN.fullmatch(name):
        raise ConfigError("symbol-unknown", f"nothing is known of {name[:40]!r}", hint="a coin, e.g. BTC")
    return name
