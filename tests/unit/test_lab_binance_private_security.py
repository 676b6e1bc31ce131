"""Who may ask the lab's Binance in private: keys, signatures and times, as the venue checks them."""

import base64
import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from tests.trading import Customer, HandMarket, signature

from perpscope.lab.accounts.account import KeyRights
from perpscope.lab.dialect import Answer, Call
from perpscope.lab.wire.binance.private_security import PUBLIC_KEY, signed_text

_PATH = "/fapi/v3/balance"


@pytest.fixture
def market() -> HandMarket:
    """A market with one customer."""
    market = HandMarket()
    Customer(market)
    return market


def _get(market: HandMarket, text: str, key: str = "customer", path: str = _PATH, session: str = "") -> Answer:
    query = dict(part.split("=", 1) for part in text.split("&") if part)
    headers = {"X-MBX-APIKEY": key} if key else {}
    call = Call("GET", path, query, b"", 0.0, text, headers, market.wall_ms, session)
    return market.private.answer(call)


def _signed(market: HandMarket, secret: str = "secret", **params: object) -> str:
    text = urlencode({"timestamp": market.now_ms} | params)
    return f"{text}&signature={signature(secret, text)}"


def _code(answer: Answer) -> tuple[int, int]:
    return answer.status, json.loads(answer.body)["code"]


def test_documents_example_of_a_signature_is_ours() -> None:
    """Protects every signed request: the worked example of Binance's documents (general info, "SIGNED endpoint")."""
    text = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
        "&timestamp=1591702613943"
    )
    secret = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    expected = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    assert signature(secret, text) == expected
    assert signed_text(f"{text}&signature={expected}") == text
    assert signed_text(f"signature={expected}&{text}") == text


def test_keys_are_known_or_refused(market: HandMarket) -> None:
    """Protects -2014 and -2015: no key, one of other letters, an unknown one; each with status 401."""
    assert _code(_get(market, _signed(market), "")) == (401, -2014)
    assert _code(_get(market, _signed(market), "not a key")) == (401, -2014)
    assert _code(_get(market, _signed(market), "stranger")) == (401, -2015)
    assert _get(market, _signed(market)).status == 200


def test_wrong_signatures_are_refused(market: HandMarket) -> None:
    """Protects -1022: another secret, other parameters than were signed, none at all."""
    assert _code(_get(market, _signed(market, "guess"))) == (400, -1022)
    assert _code(_get(market, "recvWindow=6000&" + _signed(market))) == (400, -1022)
    assert _code(_get(market, f"timestamp={market.now_ms}")) == (400, -1102)
    assert _code(_get(market, "")) == (400, -1102)


@pytest.mark.parametrize(
    ("shift_ms", "window", "status"),
    [
        pytest.param(0, None, 200, id="now"),
        pytest.param(-5000, None, 200, id="as old as the window"),
        pytest.param(-5001, None, 400, id="older than the window"),
        pytest.param(999, None, 200, id="a little ahead"),
        pytest.param(1000, None, 400, id="a second ahead"),
        pytest.param(-30_000, 60_000, 200, id="old, in a wide window"),
        pytest.param(0, 60_001, 400, id="too wide a window"),
    ],
)
def test_times_are_near_or_refused(market: HandMarket, shift_ms: int, window: int | None, status: int) -> None:
    """Protects -1021: a window of five seconds back and one ahead, wider if asked for, a minute at most."""
    asked: dict[str, object] = {} if window is None else {"recvWindow": window}
    answer = _get(market, _signed(market, "secret", timestamp=market.now_ms + shift_ms, **asked))
    assert answer.status == status
    if status == 400:
        assert json.loads(answer.body)["code"] == (-1131 if window == 60_001 else -1021)


def test_either_clock_will_do(market: HandMarket) -> None:
    """Protects third-party clients of a market that runs faster: the machine's time counts beside the market's."""
    market.wall_ms = market.now_ms + 86_400_000
    assert _get(market, _signed(market)).status == 200
    assert _get(market, _signed(market, timestamp=market.wall_ms)).status == 200
    assert _code(_get(market, _signed(market, timestamp=market.now_ms + 40_000_000))) == (400, -1021)
    assert b"1000ms ahead" in _get(market, _signed(market, timestamp=market.wall_ms + 5_000)).body


def test_form_and_query_are_signed_together(market: HandMarket) -> None:
    """Protects clients that mix: the text of the query and then of the body, without a sign between them."""
    query, form = "symbol=BTCUSDT&side=BUY&type=LIMIT", f"quantity=1&price=49000&timestamp={market.now_ms}"
    form += "&timeInForce=GTC"
    body = f"{form}&signature={signature('secret', query + form)}".encode()
    asked = dict(part.split("=") for part in query.split("&"))
    headers = {"X-MBX-APIKEY": "customer"}
    call = Call("POST", "/fapi/v1/order/test", asked, body, 0.0, query, headers, market.wall_ms)
    assert market.private.answer(call).status == 200


def test_public_paths_need_no_key_and_unknown_ones_stay_unknown(market: HandMarket) -> None:
    """Protects the market's own routes: they answer as before, and only what exists is private."""
    assert _get(market, "", "", "/fapi/v1/ping").status == 200
    assert _code(_get(market, "", "", "/fapi/v1/nothing")) == (404, -5000)
    assert _code(market.private.answer(Call("DELETE", "/fapi/v1/ping", {}, b"", 0.0))) == (404, -5000)


def test_weight_is_shared_with_the_public_side(market: HandMarket) -> None:
    """Protects budgets: private requests count, and beyond the limit everybody is told to wait, then banned."""
    market.private.budget.limit = 12
    counts = [_get(market, _signed(market)).headers["X-MBX-USED-WEIGHT-1M"] for _ in range(2)]
    assert counts == ["6", "11"], "one for the listen key before"
    refused = _get(market, _signed(market))
    assert _code(refused) == (429, -1003)
    assert int(refused.headers["Retry-After"]) > 0
    statuses = [_get(market, _signed(market)).status for _ in range(12)]
    assert (statuses[0], statuses[-1]) == (429, 418)
    assert market.private.throttled(3).headers["Retry-After"] == "3"


def test_ed25519_signature_needs_its_package(market: HandMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects accounts of public keys: without `cryptography` no such signature is good, and nothing breaks."""

    def missing(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("perpscope.lab.wire.binance.private_security.importlib.import_module", missing)
    market.private.accounts.open("edward", PUBLIC_KEY)
    assert _code(_get(market, f"timestamp={market.now_ms}&signature=AA==", "edward")) == (400, -1022)


def test_ed25519_signature_is_checked(market: HandMarket) -> None:
    """Protects accounts of public keys: the owner of the private one is let in, nobody else."""
    keys = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    private = keys.Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    market.private.accounts.open("edward", pem.decode())
    text = f"timestamp={market.now_ms}"
    sign: Callable[[bytes], bytes] = private.sign
    good = urlencode({"signature": base64.b64encode(sign(text.encode())).decode()})
    assert _get(market, f"{text}&{good}", "edward").status == 200
    assert _code(_get(market, f"{text}&recvWindow=1&{good}", "edward")) == (400, -1022)
    assert _code(_get(market, f"{text}&signature=nonsense", "edward")) == (400, -1022)


@pytest.mark.parametrize(
    ("rate", "late_ms", "status"), [(1.0, 4_000, 200), (1.0, 6_000, 400), (60.0, 290_000, 200), (60.0, 310_000, 400)]
)
def test_a_market_in_a_hurry_waits_as_long_in_real_time(
    market: HandMarket, rate: float, late_ms: int, status: int
) -> None:
    """Protects traders on a fast lab: five seconds of the machine are five minutes of a market 60 times as fast."""
    market.wall_ms += 10**9
    text = _signed(market, timestamp=market.now_ms - late_ms)
    query = dict(part.split("=", 1) for part in text.split("&"))
    call = Call("GET", _PATH, query, b"", 0.0, text, {"X-MBX-APIKEY": "customer"}, market.wall_ms, rate=rate)
    assert market.private.answer(call).status == status


def test_what_a_key_may_do_is_the_tests_choice(market: HandMarket) -> None:
    """Protects S14: a key that trades and moves no money, until a test says otherwise."""
    path = "/sapi/v1/account/apiRestrictions"
    told = json.loads(_get(market, _signed(market), path=path).body)
    assert (told["enableFutures"], told["enableWithdrawals"], told["permitsUniversalTransfer"]) == (True, False, False)
    market.private.accounts.by_key["customer"].rights = KeyRights(can_withdraw=True, is_bound_to_address=False)
    told = json.loads(_get(market, _signed(market), path=path).body)
    assert (told["enableWithdrawals"], told["ipRestrict"]) == (True, False)
