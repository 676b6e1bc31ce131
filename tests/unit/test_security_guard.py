"""The guard: who is let in, to what, how often, and what every answer carries. S2–S5, S7, S8, S12, S20, S21, S36."""

import json
from pathlib import Path

import pytest
import structlog
from tests.unit.knocking import BY_PROXY, HOST, OPEN, Door

from perpscope.app.api_keys import LOCAL, Scope
from perpscope.settings import Web
from perpscope.web.guard import Demand

DESK = ("host", "desk.example")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "127.0.0.1.", "desk.lan:80"]
)
def test_s2_own_names_are_answered(tmp_path: Path, host: str) -> None:
    """S2: with any port, in any case, and those of web.hosts."""
    assert Door(tmp_path, Web(hosts=("Desk.lan",))).knock(host=("host", host)).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "0.0.0.0:8000", "127.0.0.1:x", "a/b", "[::1"],
)
def test_s2_other_names_are_misdirected(tmp_path: Path, host: str) -> None:
    """S2: a page whose name was made to resolve to this machine (DNS rebinding) still sends its own name."""
    door = Door(tmp_path)
    told = door.knock(host=("host", host))
    assert (told.status, told.code) == (421, "host-refused")
    assert not door.room.scopes
    assert door.knock("/healthz", host=("host", host)).status == 200


def test_s2_a_host_is_named_once(tmp_path: Path) -> None:
    """S2: none, or two of which a proxy and we might believe different ones."""
    door = Door(tmp_path)
    assert door.knock(host=None).code == "host-missing"
    assert door.knock("/api/status", ("host", "evil.example")).code == "header-repeated"
    assert door.knock("/api/status", HOST, host=("host", "")).code == "header-repeated"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("http://127.0.0.1:8000", 101),
        ("https://desk.example", 101),
        ("http://127.0.0.1:9000", 403),
        ("https://127.0.0.1:8000", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("https://desk.example.evil.example", 403),
    ],
)
def test_s3_a_page_of_another_origin_opens_no_websocket(tmp_path: Path, origin: str | None, status: int) -> None:
    """S3: the same origin, a listed one, or none at all: that is a program of this machine, no page."""
    door = Door(tmp_path, Web(origins=("https://desk.example",)))
    said = [] if origin is None else [("origin", origin)]
    assert door.knock("/api/v1/stream", *said, websocket=True).status == status


def test_s3_off_loopback_a_missing_origin_wants_a_key_in_the_header(tmp_path: Path) -> None:
    """S3: a ticket is a page's, and a page sends its Origin."""
    door = Door(tmp_path, OPEN)
    _, text = door.key()
    ticket = door.tickets.issue(door.keys.find(text.encode()) or LOCAL)
    page = ("origin", "https://desk.example")
    assert door.through("/api/v1/stream", websocket=True).code == "key-missing"
    assert door.through("/api/v1/stream", ("x-api-key", text), websocket=True).status == 101
    refused = door.through("/api/v1/stream", websocket=True, query=f"ticket={ticket}")
    assert refused.code == "origin-refused"
    assert door.through("/api/v1/stream", page, websocket=True, query=f"ticket={ticket}").status == 101
    again = door.through("/api/v1/stream", page, websocket=True, query=f"ticket={ticket}")
    assert again.code == "ticket-wrong"


def test_s3_others_open_connections_under_tls_alone(tmp_path: Path) -> None:
    """S3: wss off loopback, also where the service was started on an open address without asking first. Security S1."""
    door = Door(tmp_path, Web())
    _, text = door.key()
    for websocket in (False, True):
        told = door.knock("/api/v1/stream", ("x-api-key", text), client="192.168.0.7", websocket=websocket)
        assert (told.status, told.code) == (403, "tls-required")
    assert door.knock("/api/status", ("x-api-key", text), client="192.168.0.7", scheme="https").status == 200
    in_the_clear = (("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "http"))
    door = Door(tmp_path, OPEN)
    told = door.knock("/api/status", ("x-api-key", text), *in_the_clear, client="10.0.0.1", host=DESK)
    assert told.code == "tls-required"


def test_s4_no_other_origin_reads(tmp_path: Path) -> None:
    """S4: nothing is reflected, and the request is not even made."""
    door = Door(tmp_path)
    for method, more in (("GET", []), ("OPTIONS", [("access-control-request-method", "GET")])):
        told = door.knock("/api/status", ("origin", "https://evil.example"), *more, method=method)
        assert (told.status, told.code) == (403, "origin-refused")
        assert not [name for name in told.headers if name.startswith("access-control")]
    embedded = door.knock("/api/status", ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"))
    assert embedded.code == "origin-refused"
    assert not door.room.scopes
    assert door.knock("/", ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")).status == 200


def test_s4_a_listed_origin_reads(tmp_path: Path) -> None:
    """S4: exactly that one is named, never a star, and no credentials."""
    door = Door(tmp_path, Web(origins=("https://desk.example",)))
    page = ("origin", "https://desk.example")
    told = door.knock("/api/status", page)
    assert told.headers["access-control-allow-origin"] == "https://desk.example"
    assert told.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in told.headers
    asked = door.knock("/api/status", page, ("access-control-request-method", "GET"), method="OPTIONS")
    assert asked.status == 204
    assert "X-API-Key" in asked.headers["access-control-allow-headers"]
    assert len(door.room.scopes) == 1
    assert door.knock("/api/status").headers["vary"] == "Origin"


def test_s5_only_routes_that_write_take_more_than_get(tmp_path: Path) -> None:
    """S5: unused methods are refused everywhere, before any route is asked."""
    door = Door(tmp_path)
    for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND"):
        told = door.knock("/api/status", method=method)
        assert (told.status, told.code, told.headers["allow"]) == (405, "method-not-allowed", "GET, HEAD")
    assert not door.room.scopes


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 415),
        ([("content-type", "text/plain")], 415),
        ([("content-type", "application/x-www-form-urlencoded")], 415),
        ([("content-type", "application/json")], 200),
        ([("content-type", "Application/JSON; charset=utf-8"), ("origin", "http://127.0.0.1:8000")], 200),
        ([("content-type", "application/json"), ("origin", "http://evil.example")], 403),
        ([("content-type", "application/json"), ("sec-fetch-site", "cross-site")], 403),
    ],
)
def test_s5_a_write_without_key_is_one_no_foreign_page_can_send(
    tmp_path: Path, headers: list[tuple[str, str]], status: int
) -> None:
    """S5: JSON makes a browser ask first, and the answer is no."""
    assert Door(tmp_path).knock("/api/v1/stream/ticket", *headers, method="POST").status == status


def test_s5_a_key_in_a_header_may_write(tmp_path: Path) -> None:
    """S5: no cookie ever stands for it."""
    door = Door(tmp_path)
    _, text = door.key()
    assert door.knock("/api/v1/stream/ticket", ("x-api-key", text), method="POST").status == 200
    assert door.knock("/api/v1/stream/ticket", ("cookie", f"key={text}"), method="POST").status == 415
    foreign = (("authorization", f"Bearer {text}"), ("origin", "http://evil.example"))
    assert door.knock("/api/v1/stream/ticket", *foreign, method="POST").code == "origin-refused"


def test_s7_a_proxy_is_believed_if_it_is_named(tmp_path: Path) -> None:
    """S7: and of what it says the right-most, which it wrote itself; an unnamed one is nobody, and not this machine."""
    door = Door(tmp_path, OPEN)
    wrong = ("x-api-key", "pps_00000000_" + "0" * 64)
    with structlog.testing.capture_logs() as lines:
        forged = ("x-forwarded-for", "127.0.0.1, 203.0.113.9")
        door.knock("/api/status", wrong, forged, ("x-forwarded-proto", "https"), client="10.0.0.1", host=DESK)
        door.knock("/api/status", wrong, *BY_PROXY, client="10.0.0.2", host=DESK)
        door.knock("/api/status", wrong, ("forwarded", "for=1.2.3.4"), client="10.0.0.1", host=DESK)
    assert [line["address"] for line in lines] == ["203.0.113.9", "10.0.0.2", "10.0.0.1"]
    local = Door(tmp_path / "other", Web())
    assert local.knock().status == 200
    for header in ("x-forwarded-for", "forwarded", "x-real-ip"):
        assert local.knock("/api/status", (header, "203.0.113.9")).code == "key-missing"
    assert local.knock("/api/status", ("x-forwarded-host", "evil.example")).code == "key-missing"
    assert local.knock(client=None).code == "tls-required"


def test_s7_addresses_of_proxies_may_be_networks_and_carry_ports(tmp_path: Path) -> None:
    """S7: also mapped into IPv6; an entry that is no address counts as the proxy's own."""
    door = Door(
        tmp_path, Web(host="0.0.0.0", behind_proxy=True, hosts=("desk.example",), proxies=("10.0.0.0/24", "::1"))
    )
    wrong = ("x-api-key", "nonsense")
    told = [
        ("1.2.3.4:99", "10.0.0.9"),
        ("[2001:db8::5]:1", "::1"),
        ("2001:db8::7", "::ffff:10.0.0.1"),
        ("x" * 99, "10.0.0.1"),
    ]
    with structlog.testing.capture_logs() as lines:
        for said, client in told:
            door.knock("/api/status", wrong, ("x-forwarded-for", said), client=client, host=DESK)
    assert [line["address"] for line in lines] == ["1.2.3.4", "2001:db8::5", "2001:db8::7", "10.0.0.1"]


def test_s8_every_answer_says_what_a_browser_must_not_do(tmp_path: Path) -> None:
    """S8: pages, figures and refusals alike; nothing from other hosts, no frames, no sniffing."""
    door = Door(tmp_path)
    for told in (door.knock("/"), door.knock(), door.knock(host=("host", "evil.example"))):
        policy = told.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert "unsafe" not in policy
        assert told.headers["x-content-type-options"] == "nosniff"
        assert told.headers["x-frame-options"] == "DENY"
        assert told.headers["referrer-policy"] == "no-referrer"
        assert told.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in told.headers
        assert "strict-transport-security" not in told.headers
    assert "strict-transport-security" in Door(tmp_path, Web(certificate="c.pem")).knock().headers


def test_s9_off_loopback_every_figure_wants_a_key(tmp_path: Path) -> None:
    """S9: the pages that hold no figure do not, nor does the health of the process."""
    door = Door(tmp_path, OPEN)
    _, text = door.key()
    for path in ("/api/status", "/api/v1/stream", "/metrics", "/api/anything", "/static"):
        assert door.through(path).code == "key-missing"
        assert door.through(path, ("authorization", f"Bearer {text}")).status == 200
    for path in ("/", "/map", "/viewer", "/static/viewer.js", "/healthz", "/readyz", "/docs", "/openapi.json"):
        assert door.through(path).status == 200
        assert door.room.grant is None
    assert door.knock("/healthz", client="10.0.0.7", host=("host", "10.0.0.8:8000")).status == 200
    told = door.through()
    assert told.headers["www-authenticate"].startswith("Bearer")


def test_s9_on_loopback_reading_needs_no_key(tmp_path: Path) -> None:
    """S9: also once there are keys; behind a proxy on this machine it does."""
    door = Door(tmp_path)
    door.key()
    assert door.knock().status == 200
    assert door.room.grant is LOCAL
    behind = Door(tmp_path, Web(behind_proxy=True))
    assert behind.knock().code == "key-missing"
    assert Door(tmp_path, Web(host="::1")).knock(client="::1").status == 200


def test_s9_scopes_are_asked_for(tmp_path: Path) -> None:
    """S9: trading wants its own scope; without a key nobody has it."""
    door = Door(tmp_path, demands={"/api/v1/orders/{id}": Demand(scope=Scope.TRADE, writes=True)})
    _, reading = door.key(Scope.READ)
    _, trading = door.key(Scope.TRADE)
    json_ = ("content-type", "application/json")
    for said in ([], [("x-api-key", reading)]):
        assert door.knock("/api/v1/orders/1", json_, *said, method="POST").code == "scope-missing"
    assert door.knock("/api/v1/orders/1", json_, ("x-api-key", trading), method="POST").status == 200
    assert door.knock("/api/status", ("x-api-key", trading)).status == 200


@pytest.mark.parametrize(
    "query",
    ["key=abc", "symbol=BTC&api_key=abc", "TOKEN=x", "access_token=x", "x=pps_0a1b2c3d_00", "apikey=", "password=x"],
)
def test_s17_a_key_in_a_url_is_refused(tmp_path: Path, query: str) -> None:
    """S17: it says so, without repeating it."""
    told = Door(tmp_path).knock(query=query)
    assert (told.status, told.code) == (400, "key-in-url")
    assert b"abc" not in told.body
    assert b"0a1b2c3d" not in told.body
    assert Door(tmp_path).knock(query="monkey=1&keys=2&symbol=KEY").status == 200


def test_s12_wrong_keys_are_throttled_by_address(tmp_path: Path) -> None:
    """S12: whoever has the right one is not locked out by a neighbour; another address starts anew."""
    door = Door(tmp_path, OPEN)
    _, text = door.key()
    wrong = ("x-api-key", text[:-1] + ("0" if text[-1] != "0" else "1"))
    codes = [door.through("/api/status", wrong).code for _ in range(12)]
    assert codes == ["key-wrong"] * 10 + ["too-many-requests"] * 2
    assert int(door.through("/api/status", wrong).headers["retry-after"]) == 6
    assert door.through("/api/status", ("x-api-key", text)).status == 200
    other = (("x-forwarded-for", "203.0.113.10"), ("x-forwarded-proto", "https"))
    assert door.knock("/api/status", wrong, *other, client="10.0.0.1", host=DESK).code == "key-wrong"
    door.now += 6.0
    assert door.through("/api/status", wrong).code == "key-wrong"


def test_s9_one_key_is_sent_once(tmp_path: Path) -> None:
    """S9: two that differ are refused; the same twice, or the proxy's own Basic, is not."""
    door = Door(tmp_path)
    _, one = door.key()
    _, two = door.key()
    bearer = ("authorization", f"bearer {one}")
    assert door.knock("/api/status", bearer, ("x-api-key", two)).code == "key-twice"
    assert door.knock("/api/status", bearer, ("x-api-key", one)).status == 200
    assert door.knock("/api/status", ("authorization", "Basic dTpw"), ("x-api-key", one)).status == 200
    assert door.room.grant is not None
    assert door.room.grant.id == one.split("_")[1]
    assert door.knock("/api/status", ("x-api-key", "pps_")).code == "key-wrong"


def test_s20_requests_are_counted_by_key_and_by_address(tmp_path: Path) -> None:
    """S20: each answer tells what is left, the refused one when to come again; dear questions count for more."""
    door = Door(tmp_path, Web(requests_per_min=60), {"/api/dear": Demand(cost=30.0)})
    _, text = door.key()
    told = door.knock("/api/dear")
    assert told.headers["ratelimit-policy"] == '"default";q=60;w=60'
    assert told.headers["ratelimit"] == '"default";r=30;t=30'
    assert door.knock("/api/dear").headers["ratelimit"] == '"default";r=0;t=60'
    refused = door.knock()
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "too-many-requests", "1")
    assert door.knock("/api/dear").headers["retry-after"] == "30"
    assert door.knock("/healthz").status == 200
    assert door.knock("/readyz").status == 429
    assert door.knock(client="127.0.0.2").status == 200
    assert door.knock("/api/status", ("x-api-key", text)).status == 200
    assert door.knock("/api/v1/stream", websocket=True).status == 429
    door.now += 1.0
    assert door.knock().status == 200


def test_s20_a_network_of_ipv6_addresses_is_one_caller(tmp_path: Path) -> None:
    """S20: everybody has 2^64 of them; an IPv4 address written as IPv6 is the same."""
    door = Door(tmp_path, Web(host="::", certificate="c", requests_per_min=1))
    for first, second in (("2001:db8::1", "2001:db8::ffff"), ("1.2.3.4", "::ffff:1.2.3.4")):
        assert door.knock("/", client=first, scheme="https").status == 200
        assert door.knock("/", client=second, scheme="https").status == 429
    assert door.knock("/", client="2001:db8:0:1::1", scheme="https").status == 200


def test_s21_bodies_urls_and_headers_have_bounds(tmp_path: Path) -> None:
    """S21: told in advance, or found while reading; what fits goes through."""
    door = Door(tmp_path)
    json_ = ("content-type", "application/json")
    ticket = "/api/v1/stream/ticket"
    said = door.knock(ticket, json_, ("content-length", "65537"), method="POST")
    assert (said.status, said.code, said.headers["connection"]) == (413, "body-too-large", "close")
    chunked = (json_, ("transfer-encoding", "chunked"))
    assert door.knock(ticket, *chunked, method="POST", body=[b"x" * 40_000] * 2).code == "body-too-large"
    assert door.knock(ticket, *chunked, method="POST", body=[b"x" * 32_768] * 2).status == 200
    assert door.knock(query="a" * 8_200).code == "url-too-long"
    assert door.knock("/api/status", *[(f"x-{n}", "1") for n in range(100)]).code == "headers-too-large"
    assert door.knock("/api/status", ("x-long", "1" * 17_000)).code == "headers-too-large"


@pytest.mark.parametrize("frame", [{"text": "x" * 65_537}, {"bytes": b"x" * 65_537}], ids=["text", "bytes"])
def test_s21_a_long_message_ends_a_websocket(tmp_path: Path, frame: dict[str, object]) -> None:
    """S21: the room behind sees an end, not the message."""
    door = Door(tmp_path)
    door.knock("/api/v1/stream", websocket=True, frame={"type": "websocket.receive", **frame})
    assert door.room.messages[-1]["type"] == "websocket.disconnect"
    door.knock("/api/v1/stream", websocket=True, frame={"type": "websocket.receive", "text": "short"})
    assert door.room.messages[-1]["text"] == "short"


def test_s36_a_refusal_is_a_problem_that_says_what_to_do(tmp_path: Path) -> None:
    """S36: code, sentence, hint; nothing of our insides."""
    told = json.loads(Door(tmp_path, OPEN).knock(host=("host", "evil.example")).body)
    assert told["type"] == "/docs/errors#host-refused"
    assert told["instance"] == "/api/status"
    assert "web.hosts" in told["hint"]
    assert "Traceback" not in json.dumps(told)
