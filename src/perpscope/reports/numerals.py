"""Numbers and times as people read them, alike in pictures, tables and on the terminal.

Dollars and sizes have three significant digits and K, M or B; prices about six; minus is a real minus, and what is
not known is "—", never 0.
"""

import math
from datetime import UTC, datetime

UNKNOWN = "—"
_SUFFIXES = ((1e9, "B"), (1e6, "M"), (1e3, "K"))


def short(value: float | None) -> str:
    """Three significant digits with K, M or B.

    >>> short(1_234_567), short(0.012345), short(-999.96), short(0), short(None)
    ('1.23M', '0.0123', '−1.00K', '0', '—')
    """
    if value is None:
        return UNKNOWN
    size = float(f"{abs(value):.3g}")
    sign = "−" if value < 0 and size else ""
    for unit, suffix in _SUFFIXES:
        if size >= unit:
            return f"{sign}{_three(size / unit)}{suffix}"
    return f"{sign}{_three(size)}" if size else "0"


def _three(value: float) -> str:
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def tick(value: float) -> str:
    """As `short`, without zeros that say nothing: for the marks of an axis.

    >>> tick(200_000), tick(1_500), tick(0.5), tick(-20)
    ('200K', '1.5K', '0.5', '−20')
    """
    text = short(value)
    suffix = text[-1] if text[-1] in "KMB" else ""
    digits = text.removesuffix(suffix)
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + suffix


def usd(value: float | None) -> str:
    """Dollars.

    >>> usd(84_123_456), usd(-5), usd(None)
    ('$84.1M', '−$5.00', '—')
    """
    text = short(value)
    return text if value is None else f"−${text[1:]}" if text.startswith("−") else f"${text}"


def usd_tick(value: float) -> str:
    """Dollars for the marks of an axis.

    >>> usd_tick(1_500_000)
    '$1.5M'
    """
    return f"${tick(value)}"


def price_tick(value: float) -> str:
    """A price for the marks of an axis: as short as it can be.

    >>> price_tick(95_000.0), price_tick(0.0109)
    ('95,000', '0.0109')
    """
    return f"{value:,.10f}".rstrip("0").rstrip(".").replace("-", "−")


def price(value: float | None) -> str:
    """Quote per base, six significant digits, thousands apart.

    >>> price(94809.64), price(0.0109313), price(65808)
    ('94,809.6', '0.0109313', '65,808.0')
    """
    if value is None:
        return UNKNOWN
    decimals = 5 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{min(max(decimals, 0), 12)}f}"


def percent(fraction: float | None, *, signed: bool = False) -> str:
    """A fraction as per cent, two places, with a thin space.

    >>> percent(0.98765), percent(-0.0123, signed=True), percent(0.5, signed=True)
    ('98.77\u2009%', '−1.23\u2009%', '+50.00\u2009%')
    """
    if fraction is None:
        return UNKNOWN
    sign = "−" if round(fraction, 4) < 0 else "+" if signed else ""
    return f"{sign}{abs(fraction) * 100:.2f}\u2009%"


def share(fraction: float | None) -> str:
    """How much was watched; in words where that is not known.

    >>> share(0.5), share(None)
    ('50.00\u2009%', 'unknown')
    """
    return "unknown" if fraction is None else percent(fraction)


def points(value: float | None) -> str:
    """An LPI, 0 to 100, one place.

    >>> points(62.04), points(None)
    ('62.0', '—')
    """
    return UNKNOWN if value is None else f"{value:.1f}"


def seconds(value: float | None) -> str:
    """A duration.

    >>> seconds(0.41), seconds(74), seconds(190), seconds(7300)
    ('0.4 s', '74 s', '3 m 10 s', '2 h 1 m')
    """
    if value is None:
        return UNKNOWN
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    if value < 3600:
        return f"{value // 60:.0f} m {value % 60:.0f} s"
    return f"{value // 3600:.0f} h {value % 3600 // 60:.0f} m"


def hours(value: float) -> str:
    """A length in hours.

    >>> hours(48), hours(1.26), hours(1), hours(0.04), hours(0.001)
    ('48 h', '1.26 h', '1 h', '2.4 min', '3.6 s')
    """
    if value * 60 < 1:
        return f"{value * 3600:.3g} s"
    return f"{value * 60:.3g} min" if value < 1 else f"{value:.4g} h"


def moment(ms: int, form: str = "%d %b %Y %H:%M:%S") -> str:
    """A time, UTC.

    >>> moment(1_723_118_400_123)
    '08 Aug 2024 12:00:00'
    """
    return datetime.fromtimestamp(ms // 1000, UTC).strftime(form)


def window(from_ms: int, to_ms: int) -> str:
    """A stretch of time, UTC, in whole minutes, the day said once if it is one.

    >>> window(1_723_118_400_000, 1_723_122_000_000)
    '08 Aug 2024 12:00 – 13:00 UTC'
    """
    to_ms = -(-to_ms // 60_000) * 60_000
    one_day = moment(from_ms, "%F") == moment(to_ms, "%F")
    return f"{moment(from_ms, '%d %b %Y %H:%M')} – {moment(to_ms, '%H:%M' if one_day else '%d %b %Y %H:%M')} UTC"
