"""What each venue says of its limits, in its own words and headers; words are those of the venue's pages."""

import math

import pytest

from perpscope.app import venues
from perpscope.errors import FrameError
from perpscope.feeds.governor import LimitsByPath
from perpscope.model.stream import Channel, HttpRequest
from perpscope.ports import Metered

NAMES = venues.names()
MANY = b'{"retCode":10006,"retMsg":"Too many visits!","result":{},"retExtInfo":{},"time":1790000000000}'


def metered(name: str) -> Metered:
    """The venue, which tells of its limits."""
    venue = venues.find(name)
    assert isinstance(venue, Metered)
    return venue


@pytest.mark.parametrize(
    ("name", "status", "headers", "body", "wait_s"),
    [
        ("binance", 429, {}, b'{"code":-1003,"msg":"Too many requests"}', 60.0),
        ("binance", 429, {"retry-after": "7"}, b'{"code":-1003,"msg":"Too many requests"}', None),
        ("binance", 418, {}, b'{"code":-1003,"msg":"banned"}', None),
        ("binance", 400, {}, b'{"code":-1121,"msg":"Invalid symbol."}', None),
        ("binance", 200, {}, b'{"code":-1003}', None),
        ("bybit", 403, {}, b"access too frequent", 600.0),
        ("bybit", 403, {}, b"<html>forbidden</html>", None),
        ("bybit", 200, {}, MANY, 5.0),
        ("bybit", 200, {"x-bapi-limit-reset-timestamp": "1790000001500"}, MANY, 1.5),
        ("bybit", 200, {"x-bapi-limit-reset-timestamp": "1789999999000"}, MANY, 0.0),
        ("bybit", 200, {"x-bapi-limit-reset-timestamp": "9999999999999"}, MANY, 600.0),
        ("bybit", 200, {"x-bapi-limit-reset-timestamp": "soon"}, MANY, 5.0),
        ("bybit", 200, {}, b'{"retCode":0}', None),
        ("bybit", 200, {}, b'{"retCode":0,"result":"' + b"x" * 2000 + b'"}', None),
        ("okx", 200, {}, b'{"msg":"Too Many Requests","code":"50011"}', 2.0),
        ("okx", 429, {}, b'{"code": "50011", "msg": "Too Many Requests"}', 2.0),
        ("okx", 200, {}, b'{"code":"0","msg":"","data":[]}', None),
        ("okx", 400, {}, b'{"code":"51001","msg":"Instrument ID does not exist","data":[]}', None),
        ("bitget", 429, {}, b'{"code":"429","msg":"Too Many Requests"}', 1.0),
        ("bitget", 400, {}, b'{"code":"429","msg":"Too Many Requests"}', 1.0),
        ("bitget", 200, {}, b'{"code":"00000","data":[]}', None),
        ("hyperliquid", 429, {}, b"null", 10.0),
        ("hyperliquid", 429, {"retry-after": "3"}, b"null", None),
        ("hyperliquid", 200, {}, b"null", None),
    ],
)
def test_a_refusal_is_known_by_the_venues_own_words(
    name: str, status: int, headers: dict[str, str], body: bytes, wait_s: float | None
) -> None:
    """Each venue says in another way that too much was asked, and for how long it wants to be left alone. Keeps B14."""
    assert metered(name).refused_for_s(status, headers, body) == wait_s


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"null", b"[]", b"{}", b"0", b'{"retCode":"x"}'])
@pytest.mark.parametrize("status", [200, 400, 404, 500, 502, 503])
def test_what_is_no_refusal_is_taken_for_none(name: str, status: int, body: bytes) -> None:
    """Whatever the bytes, nothing is raised, and the venue is not shut for a page of its load balancer."""
    assert metered(name).refused_for_s(status, {}, body) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", [b"", b"<html><body>502 Bad Gateway</body></html>", b"{}", b"null", b"[]"])
def test_a_reply_that_is_none_is_an_error_of_the_venue(name: str, body: bytes) -> None:
    """200 with an empty body, a page or nonsense is a FrameError everywhere: nobody takes it for data."""
    venue = venues.find(name)
    with pytest.raises(FrameError):
        venue.instruments(body)


@pytest.mark.parametrize(
    ("headers", "used"),
    [({"x-mbx-used-weight-1m": "57"}, 57.0), ({"x-mbx-used-weight-1m": "²"}, None), ({"x-mbx-used-weight": "3"}, None)],
)
def test_binance_tells_what_an_address_has_used(headers: dict[str, str], used: float | None) -> None:
    """In a header of each reply; other venues tell nothing of the address."""
    assert metered("binance").used_weight(headers) == used
    assert all(metered(name).used_weight(headers) is None for name in NAMES if name != "binance")


@pytest.mark.parametrize(
    ("name", "path", "limit"),
    [
        ("binance", "/futures/data/openInterestHist", ("figures", 1000, 300.0, 0.0)),
        ("binance", "/fapi/v1/fundingRate", ("funding", 500, 300.0, 0.0)),
        ("binance", "/fapi/v1/fundingInfo", ("funding", 500, 300.0, 0.0)),
        ("binance", "/fapi/v1/depth", None),
        ("okx", "/api/v5/market/candles", ("market/candles ", 40, 2.0, 0.25)),
        ("okx", "/api/v5/public/funding-rate", ("public/funding-rate ", 10, 2.0, 0.25)),
        ("bitget", "/api/v3/market/tickers", ("/api/v3/market/tickers", 20, 1.0, 1.0)),
        ("bitget", "/api/v3/market/futures-long-short", ("/api/v3/market/futures-long-short", 1, 1.0, 1.0)),
    ],
)
def test_paths_with_a_count_of_their_own_are_known(
    name: str, path: str, limit: tuple[str, int, float, float] | None
) -> None:
    """As the venue's page says, per address; of OKX's statistics per instrument as well."""
    venue = venues.find(name)
    assert isinstance(venue, LimitsByPath)
    assert venue.own_limit(HttpRequest(path=path, params=(("instId", "BTC-USDT-SWAP"),))) == limit


@pytest.mark.parametrize("name", NAMES)
def test_what_is_polled_fits_into_every_limit(name: str) -> None:
    """The polls of thirty instruments stay within what each path may be asked."""
    venue = venues.find(name)
    coins = ("BTC", "ETH")
    named = {"okx": "{}-USDT-SWAP", "hyperliquid": "{}"}.get(name, "{}USDT")
    chosen = [i for i in (venue.instrument_named(named.format(coin)) for coin in coins) if i is not None]
    assert len(chosen) == len(coins)
    calls: dict[str, float] = {}
    for poll in venue.polls(chosen, list(Channel)):
        own = venue.own_limit(poll.request) if isinstance(venue, LimitsByPath) else None
        if own is not None:
            calls[own[0]] = calls.get(own[0], 0.0) + 15 * own[2] / poll.every_s / own[1]  # fifteen times as many
    assert all(math.isfinite(share) and share <= 0.8 for share in calls.values())
