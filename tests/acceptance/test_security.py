"""The security of a running face: real processes, real sockets, and everything it says grepped for secrets."""

import asyncio
import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
import structlog
import trustme
import uvicorn
from starlette import types as asgi

from perpscope.app import logs
from perpscope.cli.main import run
from perpscope.feeds.clock import wall_ns
from perpscope.model.market import Tick
from perpscope.settings import Log
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import HeartStatus, StoreKind
from perpscope.web.app import found
from perpscope.web.patience import MAX_HEAD, PatientHttp
from perpscope.web.routes import backtests
from tests.acceptance.conftest import Ran

Perpscope = Callable[..., Ran]
_START_S, _END_S = 60.0, 15.0
#: Nothing listens on port 1 of loopback.
NOWHERE = {
    "PERPSCOPE_COLLECT__VENUES": "binance",
    "PERPSCOPE_VENUE__BINANCE__REST_URL": "http://127.0.0.1:1",
    "PERPSCOPE_VENUE__BINANCE__WEBSOCKET_URL": "ws://127.0.0.1:1",
}


class Answer(msgspec.Struct):
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of the problem."""
        assert self.headers["content-type"] == "application/problem+json", self
        return str(json.loads(self.body)["code"])


class Face:
    """A `perpscope serve` of its own.

    Args:
        folder: home and working folder.
        words: more of the command line.
        trust: of its certificate.
        environment: variables beside this process's own.
    """

    def __init__(self, folder: Path, *words: str, trust: ssl.SSLContext | None = None, **environment: str) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PERPSCOPE_", "XDG_")) and k != "PORT"}
        self._trust = trust
        self.stderr = folder / "stderr"
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "perpscope", "serve", "--port", "0", "--no-open", *words],
                env={**inherited, "HOME": str(folder), **environment},
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, self.stderr.read_text()
        self.port = urlsplit(self.url).port or 0

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(_END_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def connect(self) -> socket.socket:
        """A connection, under TLS where it has a certificate."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=_START_S)
        return plain if self._trust is None else self._trust.wrap_socket(plain, server_hostname="localhost")

    def say(self, *pieces: bytes) -> bytes:
        """What it answers to these bytes, until it closes or has nothing more to say."""
        with self.connect() as connection:
            connection.settimeout(5.0)
            told = b""
            with contextlib.suppress(TimeoutError, ConnectionResetError, BrokenPipeError, ssl.SSLError):
                for piece in pieces:
                    connection.sendall(piece)
                while not _is_whole(told) and (more := connection.recv(65_536)):
                    told += more
            return told

    def ask(self, target: str, method: str = "GET", content: str | None = None, **headers: str) -> Answer:
        """One request; names of headers with `_` for `-`."""
        body = None if content is None else content.encode()
        if self._trust is None:
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_START_S)
        else:
            client = http.client.HTTPSConnection("localhost", self.port, timeout=_START_S, context=self._trust)
        with contextlib.closing(client):
            client.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
            told = client.getresponse()
            return Answer(told.status, {name.lower(): value for name, value in told.getheaders()}, told.read())


def _is_whole(told: bytes) -> bool:
    head, _, body = told.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return (length is not None and len(body) >= int(length[1])) or head.startswith(b"HTTP/1.1 101")


def stored(folder: Path) -> Path:
    """A store somebody has written."""
    path = folder / "market.db"
    store = SqliteStore.open(path, kind=StoreKind.DEMO)
    store.report([], HeartStatus(1, 1, wall_ns(), 1.0, True))
    store.sink().accept(Tick(1))
    store.close()
    return path


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """One for this machine, as anybody starts it."""
    folder = tmp_path_factory.mktemp("face")
    face = Face(folder, "--db", str(stored(folder)), PERPSCOPE_WEB__REQUESTS_PER_MIN="100000")
    yield face
    face.close()


def head(*lines: str, first: str = "GET /api/status HTTP/1.1") -> bytes:
    """The bytes of a request without a body."""
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


def status_of(told: bytes) -> int:
    """Of an answer's bytes; 0 if there was none."""
    return int(told.split(b" ", 2)[1]) if told.startswith(b"HTTP/1.1 ") else 0


NOTHING: dict[str, str] = {}
REFUSED = {401, 429}  #: a wrong key, and one after too many of them
HOST = "Host: 127.0.0.1"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(head(HOST), 200, id="as it should be"),
        pytest.param(head(), 400, id="no host"),
        pytest.param(head("Host:"), 400, id="empty host"),
        pytest.param(head(HOST, "Host: evil.example"), 400, id="two hosts"),
        pytest.param(head("Host: evil.example"), 421, id="another host"),
        pytest.param(head(HOST, first="GET http://evil.example/api/status HTTP/1.1"), 400, id="absolute form"),
        pytest.param(head(HOST, first="GET http://127.0.0.1/api/status HTTP/1.1"), 400, id="absolute form of ours"),
        pytest.param(head(HOST, first="CONNECT evil.example:443 HTTP/1.1"), 400, id="connect"),
        pytest.param(head(HOST, first="OPTIONS * HTTP/1.1"), 400, id="asterisk"),
        pytest.param(head(HOST, first="GET //evil.example/api HTTP/1.1"), 404, id="two slashes"),
        pytest.param(head(HOST, first="GET /static/../api/status HTTP/1.1"), 404, id="dots"),
        pytest.param(head(HOST, first="GET /static/%2e%2e/app.py HTTP/1.1"), 404, id="packed dots"),
        pytest.param(head(HOST, first="GET /api/status\x00 HTTP/1.1"), 400, id="nul in the path"),
        pytest.param(head(HOST, first="GET /api/status HTTP/9.9"), 400, id="a version there is not"),
        pytest.param(head(HOST, "X-A: 1\x00"), 400, id="nul in a header"),
        pytest.param(head(HOST, "X-A : 1"), 400, id="space before the colon"),
        pytest.param(head(HOST, "X-A: 1", " folded"), 400, id="folded header"),
        pytest.param(head(HOST, "Content-Length: 5", "Transfer-Encoding: chunked"), 400, id="two lengths, te"),
        pytest.param(head(HOST, "Content-Length: 5", "Content-Length: 6"), 400, id="two lengths"),
        pytest.param(head(HOST, "Content-Length: -1"), 400, id="negative length"),
        pytest.param(head(HOST, "Content-Length: 99999999999999999999"), 400, id="endless length"),
        pytest.param(head(HOST, "Transfer-Encoding: xchunked"), 400, id="unknown encoding"),
        pytest.param(head(HOST, first="GET /api/status?" + "a" * 8_300 + " HTTP/1.1"), 414, id="long url"),
        pytest.param(head(HOST, "X-A: " + "a" * 20_000), 431, id="long header"),
        pytest.param(head(HOST, *[f"X-{n}: 1" for n in range(120)]), 431, id="many headers"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", 400, id="tls spoken to plain http"),
        pytest.param(b"\x00" * 64, 400, id="zeros"),
    ],
)
def test_s2_s21_odd_requests_are_refused(face: Face, request_: bytes, status: int) -> None:
    """S2, S21: whatever a proxy and a server could understand in two ways is understood in none."""
    told = face.say(request_)
    assert status_of(told) == status, told[:300]
    if status != 200:
        assert b"application/problem+json" in told
        assert b"Traceback" not in told


def test_s21_a_header_without_an_end_is_cut(face: Face) -> None:
    """S21: the connection is closed before it costs memory, and the service goes on."""
    told = face.say(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ", *[b"a" * 16_384] * 8)
    assert status_of(told) in (0, 431)  # nothing is read once the connection was reset
    assert face.ask("/healthz").status == 200


def test_s21_bodies_have_a_bound(face: Face) -> None:
    """S21: said in advance, or sent piece by piece."""
    ticket, json_ = "/api/v1/stream/ticket", {"content_type": "application/json"}
    assert face.ask(ticket, "POST", "{}", **json_).status == 200
    assert face.ask(ticket, "POST", " " * 65_537, **json_).code == "body-too-large"
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    words = head(HOST, "Content-Type: application/json", "Transfer-Encoding: chunked", first=f"POST {ticket} HTTP/1.1")
    assert status_of(face.say(words, *[chunk] * 6, b"0\r\n\r\n")) in (200, 413)
    assert face.ask("/healthz").status == 200


@pytest.mark.parametrize("path", ["/api/v1/stream?channels=liquidations", "/api/v1/liquidations/real-time"])
@pytest.mark.parametrize(
    ("more", "status"),
    [
        ([], 101),
        (["Origin: http://127.0.0.1:{port}"], 101),
        (["Origin: http://evil.example"], 403),
        (["Origin: null"], 403),
        (["Origin: http://localhost:{port}"], 403),
        (["X-API-Key: pps_00000000_" + "0" * 64], 401),
    ],
    ids=["none", "same", "another", "null", "another name", "wrong key"],
)
def test_s3_handshakes(face: Face, path: str, more: list[str], status: int) -> None:
    """S3: the Origin is looked at before a connection becomes a WebSocket."""
    lines = [line.format(port=face.port) for line in more]
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    upgrade.append("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    told = face.say(head(f"Host: 127.0.0.1:{face.port}", *upgrade, *lines, first=f"GET {path} HTTP/1.1"))
    assert status_of(told) == status, told[:300]


def test_s5_nothing_takes_more_than_get(face: Face) -> None:
    """S5: unused methods are 405 everywhere, with what is allowed; a backtest may be asked for, and takes JSON."""
    for endpoint in found():
        for path in endpoint.paths:
            methods = ("DELETE",) if path == backtests.PATH else ("POST", "DELETE")
            for method in methods:
                told = face.ask(path.replace("{symbol}", "BTC"), method, "{}", content_type="application/json")
                assert (told.status, told.code) == (405, "method-not-allowed")
                assert "GET" in told.headers["allow"]
    assert face.ask("/api/v1/stream/ticket").status == 405
    assert face.ask(backtests.PATH, "POST", "{}", content_type="application/json").code == "query-invalid"


def test_s8_pages_and_figures_carry_what_a_browser_must_not_do(face: Face) -> None:
    """S8: no off-site source, and no inline script to be let in by name."""
    for path in ("/", "/map", "/viewer", "/docs", "/openapi.json", "/api/status", "/healthz", "/metrics", "/none"):
        told = face.ask(path)
        assert "default-src 'none'" in told.headers["content-security-policy"], path
        assert "unsafe" not in told.headers["content-security-policy"]
        assert told.headers["x-content-type-options"] == "nosniff"
        assert "server" not in told.headers
        if told.headers["content-type"].startswith("text/html"):
            page = told.body.decode()
            assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|\son\w+=|javascript:|<style|\sstyle=", page)
            assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)


def test_s18_what_is_not_asked_for_is_refused(face: Face) -> None:
    """S18: an unknown name, or a value of another kind, is 422 at every endpoint."""
    for endpoint in found():
        path = endpoint.paths[0].replace("{symbol}", "BTC")
        assert face.ask(f"{path}?nonsense=1").status == 422, path


@pytest.mark.parametrize(
    "query", ["hours=1e9", "limit=1000000000", "bins=100000000", "symbol=" + "A" * 5_000, "symbol=" + "BTC," * 1_500]
)
def test_s19_abusive_questions_never_reach_the_store(face: Face, query: str) -> None:
    """S19: refused by their form at every endpoint, at once."""
    began = time.monotonic()
    for endpoint in found():
        told = face.ask(f"{endpoint.paths[-1].replace('{symbol}', 'BTC')}?{query}")
        assert 400 <= told.status < 500, (endpoint.name, told.body[:300])
    assert time.monotonic() - began < 10.0


@pytest.mark.parametrize(
    "symbol", ["BTC'--", "x' OR '1'='1", 'BTC";DROP TABLE meta;', "../../etc/passwd", "%00", "{{7*7}}"]
)
def test_s22_s23_symbols_are_names(face: Face, symbol: str) -> None:
    """S22, S23: neither SQL nor a path: an unknown symbol, told as one."""
    quoted = "".join(f"%{ord(letter):02x}" for letter in symbol) if symbol != "%00" else symbol
    for endpoint in found():
        if "symbol" in endpoint.query.__struct_fields__:
            plain = next((path for path in endpoint.paths if "{" not in path), None)
            target = endpoint.paths[0].replace("{symbol}", quoted) if plain is None else f"{plain}?symbol={quoted}"
            told = face.ask(target)
            assert told.status in (400, 404, 422), (endpoint.name, told.status, told.body[:300])
            assert told.headers["content-type"] == "application/problem+json"


def test_s36_a_broken_store_is_no_trace(tmp_path: Path) -> None:
    """S36: the file is damaged under the service: 503 and what to do, and the service goes on."""
    path = tmp_path / "market.db"
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 8192)
    other = Face(tmp_path, "--db", str(path))
    try:
        for endpoint in found():
            told = other.ask(endpoint.paths[0].replace("{symbol}", "BTC"))
            assert b"Traceback" not in told.body
            assert b".py" not in told.body
            assert told.status != 500, (endpoint.name, told.body)
        assert other.ask("/healthz").status == 200
    finally:
        other.close()


async def _answers(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    """Read it all, then say so."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok" if scope["path"] == "/" else b"no"})


class Hurried(PatientHttp):
    """As patient as a test is."""

    patience_s = 0.3


@contextlib.asynccontextmanager
async def hurried(protocol: type[PatientHttp]) -> AsyncIterator[int]:
    """A server that waits so long; its port."""
    server = uvicorn.Server(
        uvicorn.Config(
            _answers, port=0, http=protocol, lifespan="off", log_config=None, ws="none", timeout_keep_alive=1
        )
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([], b"408"),
        ([b"GET"], b"408"),
        ([b"GET / HTTP/1.1\r\nHost: a\r\n", b"X-A: 1\r\n", b"X-B: 2\r\n"], b"408"),
        ([b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", b"12", b"3"], b""),
        ([b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"], b"200"),
        ([b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHo"], b"200"),
    ],
    ids=["silent", "first word", "drop by drop", "body drop by drop", "whole", "second one half"],
)
async def test_s37_who_takes_for_ever_is_let_go(pieces: list[bytes], told: bytes) -> None:
    """S37: a header or body that drips (slowloris) ends the connection, in bounded time; what was whole is answered."""
    async with hurried(Hurried) as port, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
        answer = await reader.read()
        writer.close()
    assert answer[9:12] == told


async def test_s37_a_patient_server_serves_one_connection_long() -> None:
    """S37: requests one after another, with bodies, and pipelined, are no reason to give it up."""
    async with hurried(Hurried) as port, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for n in range(8):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}" * (1 + n % 2))
            for _ in range(1 + n % 2):
                assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.1)
        writer.close()


async def test_s21_endless_headers_are_cut_at_their_bound() -> None:
    """S21: at 64 kB, whatever the line they stand in."""
    async with hurried(PatientHttp) as port, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nX-A: ")
        for _ in range(MAX_HEAD // 1024):
            writer.write(b"a" * 1024)
            await writer.drain()
        answer = await reader.read()
        writer.close()
    assert answer[9:12] == b"431"
    assert b"headers-too-large" in answer


class Exposed(msgspec.Struct):
    """A face for others: under TLS, with a key, on a Redis that does not answer, with everything written down."""

    face: Face
    folder: Path
    key: str
    secrets: dict[str, str]
    environment: dict[str, str]


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    """With a marked secret in each place that holds one."""
    folder = tmp_path_factory.mktemp("exposed")
    ca = trustme.CA()
    issued = ca.issue_cert("localhost")
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    private.touch(0o600)
    private.write_bytes(issued.private_key_pem.bytes())
    environment = {
        **NOWHERE,
        "HOME": str(folder),
        "PERPSCOPE_REDIS": "redis://desk:canary7cafe5ecret@127.0.0.1:1/0",
        "PERPSCOPE_PROXY__URL": "http://me:canary7proxypass@127.0.0.1:1",
        "PERPSCOPE_TRADE_KEY": "canary7accountkey",
        "PERPSCOPE_TRADE_SECRET": "canary7account5ecret",
        "PERPSCOPE_WEB__HOST": "0.0.0.0",
        "PERPSCOPE_WEB__CERTIFICATE": str(certificate),
        "PERPSCOPE_WEB__CERTIFICATE_KEY": str(private),
        "PERPSCOPE_LOG__LEVEL": "debug",
        "PERPSCOPE_LOG__FILE": str(folder / "face.log"),
    }
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PERPSCOPE_", "XDG_"))}
    made = subprocess.run(
        [sys.executable, "-m", "perpscope", "keys", "add", "--json"],
        env={**inherited, "HOME": str(folder)},
        capture_output=True,
        check=True,
    )
    key = str(json.loads(made.stdout)["key"])
    trust = ssl.create_default_context()
    ca.configure_trust(trust)
    secrets = {
        "redis": "canary7cafe5ecret",
        "proxy": "canary7proxypass",
        "account": "canary7account",
        "key": key.rpartition("_")[2],
        "certificate": issued.private_key_pem.bytes().decode().splitlines()[1],
    }
    face = Face(folder, "--db", str(stored(folder)), trust=trust, **environment)
    yield Exposed(face, folder, key, secrets, environment)
    face.close()


def test_s9_off_loopback_the_figures_want_the_key(exposed: Exposed) -> None:
    """S9: all of them; under TLS; S6: the documents of the API are off."""
    face = exposed.face
    for endpoint in found():
        path = endpoint.paths[0].replace("{symbol}", "BTC")
        assert face.ask(path).code == "key-missing"
    assert face.ask("/metrics").code == "key-missing"
    assert face.ask("/api/status", X_API_Key=exposed.key).status == 200
    assert face.ask("/api/status", Authorization=f"Bearer {exposed.key}").status == 200
    assert face.ask("/healthz").status == 200
    for path in ("/docs", "/openapi.json"):
        assert face.ask(path, X_API_Key=exposed.key).status == 404
    assert "max-age" in face.ask("/").headers["strict-transport-security"]
    with socket.create_connection(("127.0.0.1", face.port), timeout=10) as plain:
        plain.sendall(head(HOST, f"X-API-Key: {exposed.key}"))
        plain.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert not plain.recv(1024).startswith(b"HTTP/1.1 200")


def test_s9_old_tls_is_refused(exposed: Exposed) -> None:
    """S9: 1.2 at the least."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", exposed.face.port), timeout=10) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain)


def test_s11_a_push_connection_ends_with_its_key(exposed: Exposed, perpscope: Perpscope) -> None:
    """S11: by ticket or by header, within a second or so of the revocation; and S12, that wrong keys are slowed."""
    face, home = exposed.face, {"HOME": str(exposed.folder)}
    made = perpscope("keys", "add", "--json", **home).json
    deadline = time.monotonic() + 10
    while face.ask("/api/status", X_API_Key=made["key"]).status != 200:
        assert time.monotonic() < deadline, "a new key is not known"
    ticket = json.loads(face.ask("/api/v1/stream/ticket", "POST", X_API_Key=made["key"]).body)["ticket"]
    upgrade = [f"Host: localhost:{face.port}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    upgrade += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Origin: https://localhost:{face.port}"]
    first = f"GET /api/v1/stream?channels=liquidations&ticket={ticket} HTTP/1.1"
    with face.connect() as connection:
        connection.sendall(head(*upgrade, first=first))
        assert connection.recv(4096).startswith(b"HTTP/1.1 101")
        assert status_of(face.say(head(*upgrade, first=first))) in REFUSED
        assert perpscope("keys", "revoke", str(made["id"]), **home).code == 0
        began = time.monotonic()
        connection.settimeout(20.0)
        told = b""
        while b"the key has ended" not in told and (more := connection.recv(65_536)):
            told += more
        assert b"the key has ended" in told
        assert time.monotonic() - began < 3.0
    assert face.ask("/api/status", X_API_Key=made["key"]).status in REFUSED
    guesses = [face.ask("/api/status", X_API_Key="pps_guess").status for _ in range(12)]
    assert guesses[-1] == 429
    assert face.ask("/api/status", X_API_Key=exposed.key).status == 200


def test_s17_no_output_holds_a_secret(
    exposed: Exposed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """S17: settings, findings, answers, refusals, figures, log, and what `ps` shows. Keeps B14."""
    face = exposed.face
    said: dict[str, str] = {}
    for name, value in {**exposed.environment, "PERPSCOPE_LOG__FILE": str(exposed.folder / "commands.log")}.items():
        monkeypatch.setenv(name, value)
    commands = ["config show", "config show --origin", "config show --json", "keys list", "keys list --json"]
    for words in [*commands, "doctor --json --listen 1"]:
        assert run(words.split()) in ({1, 4} if words.startswith("doctor") else {0})
        said[words] = "".join(capsys.readouterr())
    logs.set_up(Log())
    structlog.reset_defaults()
    ticket = json.loads(face.ask("/api/v1/stream/ticket", "POST", X_API_Key=exposed.key).body)["ticket"]
    paths = [path.replace("{symbol}", "BTC") for endpoint in found() for path in endpoint.paths]
    paths += ["/", "/metrics", "/healthz", "/readyz", "/docs", "/openapi.json", "/none", "/api/status?nonsense=1"]
    paths += [f"/api/status?key={exposed.key}", f"/api/status?x={exposed.key}", f"/none?ticket={ticket}"]
    for path in paths:
        for headers in (NOTHING, {"X_API_Key": exposed.key}, {"Authorization": f"Bearer {exposed.key}0"}):
            answer = face.ask(path, **headers)
            said[f"{path} {list(headers)}"] = f"{answer.headers} {answer.body!r}"
    said["malformed"] = repr(face.say(head(HOST, f"X-API-Key : {exposed.key}")))
    said["arguments"] = " ".join(
        entry.read_bytes().decode(errors="replace").replace("\0", " ")
        for entry in Path("/proc").glob("[0-9]*/cmdline")
        if str(face.process.pid) in _ancestry(entry)
    )
    assert "serve" in said["arguments"]
    said["stderr"] = face.stderr.read_text()
    for log in ("face.log", "commands.log"):
        said[log] = (exposed.folder / log).read_text()
    assert said["face.log"]
    secrets = {**exposed.secrets, "ticket": ticket}
    leaks = {(where, name) for where, text in said.items() for name, secret in secrets.items() if secret in text}
    assert not leaks
    assert "***@127.0.0.1:1" in said["config show"]


def _ancestry(entry: Path) -> str:
    """The process's own id and its parent's."""
    with contextlib.suppress(OSError):
        return entry.parent.name + " " + (entry.parent / "stat").read_text().rpartition(")")[2].split()[1]
    return ""


def test_s35_no_line_of_the_log_is_forged(exposed: Exposed) -> None:
    """S35: what a caller writes stands in its line with control characters written out."""
    forged = "%0a2030-01-01T00:00:00Z%20ERROR%20forged%1b[31m"
    exposed.face.ask(f"/api/{forged}", X_API_Key="pps_wrong")
    exposed.face.ask("/api/status", X_API_Key="pps_wrong", X_Request_ID="a\tb")
    for line in (exposed.folder / "face.log").read_text().splitlines():
        assert not line.startswith("2030")
        assert "\x1b" not in line


@pytest.mark.soak
def test_s34_nothing_is_needed_but_loopback(tmp_path: Path, environment: dict[str, str]) -> None:
    """S34: in a network namespace without any way out, a demo collects and is served."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody make a network namespace (unshare -rn)")
    script = (
        "ip link set lo up 2>/dev/null || python3 -c 'import fcntl,socket,struct;"
        's=socket.socket();fcntl.ioctl(s,0x8914,struct.pack("16sh14x",b"lo",0x49))\';'
        'exec "$@"'
    )
    words = ["demo", "--duration", "3", "--headless", "--json", "--days", "0", "--port", "0", "--no-open"]
    done = subprocess.run(
        [unshare, "-rn", "sh", "-c", script, "sh", sys.executable, "-m", "perpscope", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"] == "demo"
