"""Alerts and sayings as the messages people read: HTML for Telegram, or plain text made of it.

In: values. Out: text below 4,096 characters, everything that was not written here escaped. Each says whether its
figures are OBSERVED or a MODEL's, and DEMO DATA where they are made up.
"""

import html
import re
from collections.abc import Sequence
from typing import Final, assert_never

from perpscope.analytics.alerts.alert import Alert, Phase, Record, Severity, Side
from perpscope.analytics.alerts.measures import MEASURES
from perpscope.analytics.alerts.saying import Back, Digest, DigestCoin, Muted, Saying, Silent, Traded, Trial, Unmuted
from perpscope.analytics.alerts.shipped import SHIPPED
from perpscope.notify.figures import in_words, price, rate, safe
from perpscope.notify.phrases import Language, is_known, phrase, word
from perpscope.notify.trade_messages import traded_lines
from perpscope.reports import numerals

#: Of Telegram, after the tags are gone.
LONGEST: Final = 4096
#: Of a message of ours: what is longer is cut between lines.
_LONGEST_OURS: Final = 3500
_MOST_COINS, _MOST_RULES = 8, 12
_GLYPHS: Final[dict[Side | None, str]] = {"long": "🔻", "short": "🔺", None: "🔔"}
_WINDOWED: Final = re.compile(r"(?P<side>long_|short_)?(?P<name>\w+?)_(?P<n>\d+)(?P<unit>[smh])")


def alert_text(alert: Alert, language: Language) -> str:
    """An alert, in the phase it is in."""
    measured = _measured(alert, alert.values.get(alert.measure), language)
    coin, title = safe(alert.coin), _title(alert, language)
    head = f"<b>{coin} · {title}</b>\n{measured}" if title else f"<b>{coin} {measured}</b>"
    mark = "🚨 " if alert.severity is Severity.CRITICAL and alert.phase is not Phase.CLEARED else ""
    glyph = "✅" if alert.phase is Phase.CLEARED else f"{mark}{_GLYPHS[alert.side]}"
    lines = [f"{_banner(alert.data, language)}{glyph} {head}"]
    if (story := _story(alert, language)) is not None:
        lines.append(story)
    lines += _facts(alert, language)
    if alert.record is not None:
        lines.append(_record(alert.record, language))
    kind = MEASURES[alert.measure].kind if alert.measure in MEASURES else "observed"
    age = alert.facts.age_ms
    foot = [
        f"{numerals.moment(alert.at_ms, '%H:%M:%S')} UTC",
        *([] if age is None else [phrase(language, "age", age=in_words(age / 1e3, language))]),
        phrase(language, "rule", rule=safe(alert.rule)),
        phrase(language, kind if alert.data == "observed" or kind == "model" else alert.data),
    ]
    return _fitted([*lines, " · ".join(foot)])


def saying_text(saying: Saying, language: Language) -> str:
    """What is said beside alerts."""
    told = saying.told
    match told:
        case Silent():
            why = "" if told.why is None else f" ({_word(told.why, language)})"
            silent = in_words(told.silent_s, language)
            lines = [f"⚠️ {phrase(language, 'silent', what=_feed(told, language), silent=silent, why=why)}"]
        case Back():
            gaps = phrase(language, {0: "no_gaps", 1: "gap"}.get(told.gaps, "gaps"), n=told.gaps)
            silent = in_words(told.silent_s, language)
            lines = [f"✅ {phrase(language, 'back', what=_feed(told, language), silent=silent, gaps=gaps)}"]
        case Digest():
            lines = _digest(told, language)
        case Muted():
            lines = [f"🔇 {_scored('muted', told.rule, told.record, language)}"]
        case Unmuted():
            lines = [f"🔔 {_scored('unmuted', told.rule, told.record, language)}"]
        case Traded():
            lines = traded_lines(told, language)
        case Trial():
            lines = [f"📨 {phrase(language, 'trial')}", *([safe(told.text)] if told.text else [])]
        case _:
            assert_never(told)
    return _fitted([_banner(saying.data, language) + lines[0], *lines[1:]])


def left_out_text(count: int, language: Language) -> str:
    """That messages were dropped."""
    return f"⚠️ {phrase(language, 'left_out', n=count)}"


def plain(text: str) -> str:
    r"""A message without its tags, on one line: for a log.

    >>> plain("<b>a &lt; b</b>\nc")
    'a < b / c'
    """
    return html.unescape(re.sub(r"<[^>]+>", "", text)).replace("\n", " / ")


def tag(data: str, language: Language) -> str:
    """The words for whose rows something stands on; empty for observed ones."""
    return "" if data == "observed" else f"<b>{phrase(language, data)}</b>"


# of an alert ----------------------------------------------------------------------------------------------------------


def _banner(data: str, language: Language) -> str:
    found = tag(data, language)
    return f"{found}\n" if found else ""


def _title(alert: Alert, language: Language) -> str:
    """As its author wrote it; of a rule that comes with perpscope, in the reader's language."""
    shipped = SHIPPED.get(alert.rule)
    if shipped is not None and shipped.title == alert.title and is_known(f"title {alert.rule}"):
        return phrase(language, f"title {alert.rule}")
    return safe(alert.title)


def _measured(alert: Alert, value: float | None, language: Language) -> str:
    """The measure a message leads with, and its value, in words."""
    name = alert.measure
    said = valued(name, value, language)
    match = _WINDOWED.fullmatch(name)
    if match is not None and name in MEASURES and is_known(match["name"]):
        side = "" if match["side"] is None else phrase(language, match["side"].rstrip("_"))
        window = phrase(language, match["unit"], n=match["n"])
        return phrase(language, match["name"], side=side, value=said, window=window)
    if name in MEASURES and is_known(name):
        return phrase(language, name, value=said)
    return phrase(language, "other", measure=safe(name), value=said)


def valued(name: str, value: float | None, language: Language) -> str:
    """A measure's value with its unit.

    >>> valued("liq_usd_5m", 6_200_000, "en"), valued("price_change_pct_5m", -1.4, "en")
    ('$6.20M', '−1.40\u2009%')
    """
    if value is None:
        return numerals.UNKNOWN
    unit = MEASURES[name].unit if name in MEASURES else ""
    match unit:
        case "usd":
            return numerals.usd(value)
        case "pct" if name.startswith("funding"):
            return rate(value)
        case "pct":
            return numerals.percent(value / 100.0, signed=not name.startswith("cluster"))
        case "price":
            return price(value)
        case "events":
            return f"{value:,.0f}"
        case "s":
            return in_words(value, language)
    return f"{value:+.2f}".replace("-", "−") if name == "pull" else f"{value:.0f}"


def _story(alert: Alert, language: Language) -> str | None:
    """What became of it since it was raised."""
    peak = valued(alert.measure, alert.peak, language)
    if alert.phase is Phase.CLEARED:
        lasted = in_words((alert.at_ms - alert.started_ms) / 1e3, language)
        ending = phrase(language, "over", lasted=lasted)
        return ending if alert.peak is None else f"{ending} · {phrase(language, 'peak', peak=peak)}"
    if alert.phase is Phase.UPDATED and alert.updates:
        return phrase(language, "grew", n=alert.updates, peak=peak)
    return None


def _facts(alert: Alert, language: Language) -> list[str]:
    facts = alert.facts
    first = []
    if facts.price is not None:
        move = numerals.percent(None if facts.move_pct is None else facts.move_pct / 100.0, signed=True)
        told = "" if facts.move_pct is None else phrase(language, "move", move=move)
        first.append(phrase(language, "price_line", price=price(facts.price), move=told))
    if facts.largest_usd is not None:
        venue = "" if facts.largest_venue is None else f" {safe(facts.largest_venue.capitalize())}"
        first.append(phrase(language, "largest", usd=numerals.usd(facts.largest_usd), venue=venue))
    lines = [" · ".join(first)] if first else []
    if facts.cluster is not None:
        lines.append(
            phrase(
                language,
                "cluster",
                price=price(facts.cluster.price),
                distance=numerals.percent(facts.cluster.distance_pct / 100.0, signed=True),
                usd=numerals.usd(facts.cluster.usd),
                tag=phrase(language, "model"),
            )
        )
    return lines


def _record(record: Record, language: Language) -> str:
    if record.verdict == "unproven" or not record.n:
        return phrase(language, "rule", rule=phrase(language, "verdict_unproven"))
    lead = "" if record.lead_s is None else phrase(language, "lead", lead=in_words(record.lead_s, language))
    told = phrase(language, "record", hits=record.hits, n=record.n, chance=numerals.percent(record.chance), lead=lead)
    return f"{told} ({phrase(language, f'verdict_{record.verdict}')})"


# of a saying ----------------------------------------------------------------------------------------------------------


def _feed(told: Silent | Back, language: Language) -> str:
    """Whose silence it is."""
    if told.venue is None:
        return phrase(language, "everything")
    channel = "" if told.channel is None else f" {_word(told.channel, language)}"
    return f"{safe(told.venue)}{channel}"


def _word(text: str, language: Language) -> str:
    return word(language, text) or safe(text)


def _scored(name: str, rule: str, record: Record, language: Language) -> str:
    chance = numerals.percent(record.chance)
    return phrase(language, name, rule=f"<b>{safe(rule)}</b>", hits=record.hits, n=record.n, chance=chance)


def _digest(told: Digest, language: Language) -> list[str]:
    lines = [f"📊 <b>{phrase(language, 'daily', day=safe(told.day))}</b>"]
    for coin in told.coins[:_MOST_COINS]:
        lines += _day_of(coin, language)
    if len(told.coins) > _MOST_COINS:
        lines.append(phrase(language, "more_coins", n=len(told.coins) - _MOST_COINS))
    spoke = [rule for rule in told.rules if rule.alerts or rule.held_back][:_MOST_RULES]
    said = ", ".join(
        f"{safe(rule.rule)} {rule.alerts}" + (phrase(language, "held_back", n=rule.held_back) if rule.held_back else "")
        for rule in spoke
    )
    lines.append(phrase(language, "alerts", rules=said) if said else phrase(language, "no_alerts"))
    seen = [] if told.uptime is None else [phrase(language, "uptime", share=numerals.percent(told.uptime))]
    missed = [phrase(language, "outages", n=told.outages)] if told.outages else []
    return [*lines, *([" · ".join([*seen, *missed])] if seen or missed else [])]


def _day_of(coin: DigestCoin, language: Language) -> list[str]:
    def moved(value: float | None) -> str:
        return numerals.percent(None if value is None else value / 100.0, signed=True)

    head = f"<b>{safe(coin.coin)}</b> {price(coin.price)} {moved(coin.move_pct)}"
    long, short = coin.liquidated_long_usd, coin.liquidated_short_usd
    rest = [phrase(language, "liquidated", long=numerals.usd(long), short=numerals.usd(short))]
    if coin.funding_8h_pct is not None:
        rest.append(phrase(language, "funding", rate=rate(coin.funding_8h_pct)))
    if coin.oi_change_pct is not None:
        rest.append(phrase(language, "interest", change=moved(coin.oi_change_pct)))
    return [head, " · ".join(rest)]


def _fitted(lines: Sequence[str]) -> str:
    """As many whole lines as there is room for; the last one stays."""
    kept = list(lines)
    while len(kept) > 2 and len("\n".join(kept)) > _LONGEST_OURS:
        del kept[-2]
    return "\n".join(kept)
