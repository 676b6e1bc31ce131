"""Numbers and foreign text as they stand in messages: prices, rates, lengths of time, and what is not ours escaped."""

import html
from typing import Final

from perpscope.notify.phrases import Language
from perpscope.reports import numerals

_KOREAN_UNITS: Final = ((" s", "초"), (" m", "분"), (" h", "시간"))


def price(value: float | None) -> str:
    """Quote per base, six significant digits and no zeros that say nothing.

    >>> price(64120.0), price(0.0109313)
    ('64,120', '0.0109313')
    """
    return numerals.UNKNOWN if value is None else numerals.price_tick(float(f"{value:.6g}"))


def rate(pct: float) -> str:
    """A funding rate given in per cent.

    >>> rate(0.01)
    '+0.0100\u2009%'
    """
    return f"{'−' if pct < 0 else '+'}{abs(pct):.4f}\u2009%"


def in_words(seconds: float, language: Language) -> str:
    """A length in seconds.

    >>> in_words(74.0, "en"), in_words(130.0, "ko")
    ('74 s', '2분 10초')
    """
    text = numerals.seconds(max(0.0, seconds))
    if language == "ko":
        for unit, word in _KOREAN_UNITS:
            text = text.replace(unit, word)
    return text


def length(hours: float, language: Language) -> str:
    """A length in hours.

    >>> length(1.0, "ko"), length(0.5, "en")
    ('1시간', '30 min')
    """
    text = numerals.hours(hours)
    return text if language == "en" else text.replace(" min", "분").replace(" h", "시간").replace(" s", "초")


def safe(text: str) -> str:
    """Text from elsewhere, to be put into a message: nothing of it is markup, control characters are spaces."""
    return html.escape("".join(c if c.isprintable() else " " for c in text), quote=False)
