"""Times of day as people set them: quiet hours, and when the digest of a day is due."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from perpscope.errors import ConfigError


def zone_of(name: str) -> tzinfo:
    """The zone of a name.

    Raises:
        ConfigError: there is no such zone on this machine ("alert-zone").
    """
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            "alert-zone", f"alerts.zone: this machine knows no zone {name!r}", hint="an IANA name, e.g. Asia/Seoul"
        ) from None


def is_quiet(hours: str, zone: tzinfo, now_ms: int) -> bool:
    """Whether a moment (ms UTC) lies in quiet hours, e.g. "23:00-07:00"; empty = there are none.

    >>> is_quiet("23:00-07:00", UTC, 6 * 3_600_000), is_quiet("23:00-07:00", UTC, 7 * 3_600_000)
    (True, False)
    """
    if not hours:
        return False
    start, _, end = hours.partition("-")
    now = datetime.fromtimestamp(now_ms / 1e3, zone).strftime("%H:%M")
    return start <= now < end if start < end else now >= start or now < end


def digest_day(at: str, zone: tzinfo, now_ms: int) -> str | None:
    """The day whose digest is due at the latest by now: the one before, from `at` ("09:00") on; None before that.

    >>> digest_day("09:00", UTC, 9 * 3_600_000), digest_day("09:00", UTC, 8 * 3_600_000)
    ('1969-12-31', None)
    """
    if not at:
        return None
    now = datetime.fromtimestamp(now_ms / 1e3, zone)
    return (now - timedelta(days=1)).strftime("%Y-%m-%d") if now.strftime("%H:%M") >= at else None
