"""The way of a request: bytes that are kept, 304, gzip, HEAD, problems, ids."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from starlette.types import ASGIApp
from tests.unit.asking import Maker, ask, endpoint

from perpscope.errors import ConfigError, DataError, PerpscopeError, StoreError, TooLittle, VenueUnreachable
from perpscope.settings import Settings, Web
from perpscope.web import pages
from perpscope.web.app import create_app, found
from perpscope.web.problem import problem, refusal

Wait = Callable[[Callable[[], bool]], Awaitable[None]]


def face(make: Maker, tmp_path: Path, *, fresh_s: float = 3600.0, web: Web | None = None) -> ASGIApp:
    """A face with one endpoint."""
    web = web or Web(keys=str(tmp_path / "keys.json"), requests_per_min=100_000)
    return create_app(Settings(web=web), tmp_path / "market.db", endpoints=[endpoint(make, fresh_s=fresh_s)])


async def test_the_same_bytes_are_served_again_with_their_age(tmp_path: Path) -> None:
    """A kept answer is served by every path of its endpoint, whole, tagged, and never cached without asking again."""
    make = Maker()
    app = face(make, tmp_path)
    first, second, third = [await ask(app, path) for path in ("/api/grid", "/api/v1/grid", "/api/grid/of/BTC")]
    assert [told.status for told in (first, second, third)] == [200, 200, 200]
    assert first.body == second.body == third.body
    assert make.made == 1
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["content-type"] == "application/json"
    assert first.headers["age"] == "0"
    assert int(first.headers["content-length"]) == len(first.body)
    assert first.headers["etag"].startswith('"')


@pytest.mark.parametrize(
    "form", ["{0}", "W/{0}", '"x", {0}', "*", "{1}"], ids=["same", "weak", "list", "any", "packed"]
)
async def test_what_the_asker_has_is_not_sent_again(form: str, tmp_path: Path) -> None:
    """If-None-Match in every form of RFC 9110 gives 304 without a body, with the tag; another tag gives all of it."""
    app = face(Maker(), tmp_path)
    tag = (await ask(app, "/api/grid?rows=500")).headers["etag"]
    packed = tag[:-1] + '-gz"'
    told = await ask(app, "/api/grid?rows=500", {"if-none-match": form.format(tag, packed)})
    assert (told.status, told.body, told.headers["etag"]) == (304, b"", tag)
    assert "content-length" not in told.headers
    assert (await ask(app, "/api/grid?rows=500", {"if-none-match": '"other"'})).status == 200


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("identity", False), ("gzip;q=0", False), ("br", False)],
)
async def test_gzip_is_sent_to_whom_it_is_of_use(accepted: str, is_packed: bool, tmp_path: Path) -> None:
    """The packed body, kept beside the plain one, goes to those who take it."""
    app = face(Maker(), tmp_path)
    told = await ask(app, "/api/grid?rows=500", {"accept-encoding": accepted})
    assert (told.headers.get("content-encoding") == "gzip") is is_packed
    assert len(told.json["rows"]) == 500
    assert told.headers["vary"] == "accept-encoding"
    assert int(told.headers["content-length"]) == len(told.body)


async def test_head_is_get_without_the_body(tmp_path: Path) -> None:
    """HEAD tells the same headers, with the length the body would have."""
    app = face(Maker(), tmp_path)
    got, head = await ask(app, "/api/grid?rows=9"), await ask(app, "/api/grid?rows=9", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(got.body))
    assert head.headers["etag"] == got.headers["etag"]


@pytest.mark.parametrize(
    ("target", "method", "status", "code"),
    [
        ("/api/grid?rows=1e9", "GET", 422, "query-invalid"),
        ("/api/grid?names=" + ",".join("ABCDEFGH"), "GET", 422, "query-invalid"),
        ("/api/grid?" + "&".join(f"hours{n}=1e9" for n in range(39)), "GET", 422, "query-invalid"),
        ("/api/nothing", "GET", 404, "path-unknown"),
        ("/api/grid/", "GET", 404, "path-unknown"),
        ("/api/grid", "DELETE", 405, "method-not-allowed"),
        ("/api/grid/of/BTC", "PATCH", 405, "method-not-allowed"),
        ("/", "POST", 405, "method-not-allowed"),
        ("/healthz", "POST", 405, "method-not-allowed"),
    ],
)
async def test_whatever_is_wrong_is_a_problem(target: str, method: str, status: int, code: str, tmp_path: Path) -> None:
    """Each refusal is problem+json with code, path and request id, and nothing was made. Security S5, S18."""
    make = Maker()
    told = await ask(face(make, tmp_path), target, method=method)
    body = told.json
    assert told.status == body["status"] == status
    assert told.headers["content-type"] == "application/problem+json"
    assert (body["code"], body["instance"]) == (code, target.partition("?")[0])
    assert body["request_id"] == told.headers["x-request-id"]
    assert body["type"] == f"/docs/errors#{code}"
    assert make.made == 0


async def test_an_error_of_ours_is_told_without_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bug answers 500 with an id and nothing of the code; the log has the trace under that id. Security S36."""
    make = Maker()
    make.fails = ZeroDivisionError("secret detail")
    told = await ask(face(make, tmp_path), "/api/grid", {"x-request-id": "mine-1"})
    assert told.status == 500
    assert told.json["code"] == "internal"
    assert b"secret" not in told.body
    assert b"Traceback" not in told.body
    assert told.json["request_id"] == told.headers["x-request-id"] == "mine-1"
    logged = capsys.readouterr()
    assert "mine-1" in logged.out + logged.err
    assert "ZeroDivisionError" in logged.out + logged.err


async def test_a_request_that_is_given_up_is_answered(tmp_path: Path, eventually: Wait) -> None:
    """A face that ends while an answer is made says so, and that another try is worth it; nothing is logged. G6."""
    make = Maker()
    make.go.clear()
    asking = asyncio.create_task(ask(face(make, tmp_path), "/api/grid"))
    await eventually(lambda: make.made == 1)
    asking.cancel()
    told = await asking
    make.go.set()
    assert (told.status, told.json["code"], told.headers["retry-after"]) == (503, "face-ending", "5")


async def test_a_request_has_an_id_that_cannot_forge_a_log_line(tmp_path: Path) -> None:
    """The caller's id is taken where it is harmless, else there is one of ours; no two are alike. Security S35."""
    app = face(Maker(), tmp_path)
    given = [
        (await ask(app, "/api/grid", {"x-request-id": sent})).headers["x-request-id"] for sent in ("a.B-1_", "a b")
    ]
    assert given[0] == "a.B-1_"
    assert given[1] != "a b"
    ours = {(await ask(app, "/api/grid")).headers["x-request-id"] for _ in range(20)}
    assert len(ours) == 20


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("option-value", "x"), 422),
        (ConfigError("symbol-unknown", "x"), 404),
        (DataError("window-empty", "x"), 404),
        (DataError("map-too-little", "x"), 409),
        (TooLittle("study-short", "x"), 409),
        (DataError("store-missing", "x"), 503),
        (StoreError("store-busy", "x"), 503),
        (VenueUnreachable("x", venue="okx"), 502),
    ],
    ids=lambda value: value.code if isinstance(value, PerpscopeError) else str(value),
)
def test_each_error_has_its_status(error: PerpscopeError, status: int) -> None:
    """The same code stands in the CLI, the log and the answer; what passes says when to ask again."""
    refused = refusal(error)
    assert refused is not None
    assert (refused.status, refused.code) == (status, error.code)
    assert ("retry-after" in refused.headers) is (status == 503)


def test_an_error_of_ours_has_no_refusal() -> None:
    """What is not ours to tell is not told."""
    assert refusal(ValueError("x")) is None


def test_a_problem_says_no_more_than_it_knows() -> None:
    """Members without a value are left out."""
    body = json.loads(bytes(problem(404, "path-unknown", "nothing", instance="/x").body))
    assert body == {
        "type": "/docs/errors#path-unknown",
        "title": "Path unknown",
        "status": 404,
        "detail": "nothing",
        "instance": "/x",
        "code": "path-unknown",
    }


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/errors", "text/html; charset=utf-8"),
        ("/openapi.json", "application/json"),
        ("/favicon.ico", "image/svg+xml"),
        *((f"/static/{name}", pages.TYPES["." + name.rpartition(".")[2]]) for name in pages.names()),
    ],
)
async def test_pages_come_with_their_type_and_tag(path: str, kind: str, tmp_path: Path) -> None:
    """Every file of ours has its type whatever the machine's own table says, a tag, and a policy without exceptions."""
    app = face(Maker(), tmp_path)
    told = await ask(app, path)
    assert (told.status, told.headers["content-type"]) == (200, kind)
    assert (await ask(app, path, {"if-none-match": told.headers["etag"]})).status == 304
    assert "unsafe" not in told.headers["content-security-policy"]
    assert ("cross-origin-opener-policy" in told.headers) is kind.startswith("text/html")


def test_no_page_asks_another_host_or_carries_a_script() -> None:
    """No address of elsewhere, no inline script, style or handler stands in any file of ours. Security S8."""
    for file in (*pages.FOLDER.glob("*.html"), *pages.FOLDER.glob("*.js"), *pages.FOLDER.glob("*.css")):
        text = file.read_text("utf-8")
        for forbidden in ("https://", "http://", "style=", "<style", " onclick", "javascript:", "innerHTML", "eval("):
            assert forbidden not in text.replace("http://www.w3.org/2000/svg", ""), (file.name, forbidden)
        assert "<script>" not in text


@pytest.mark.parametrize(
    ("wanted", "host", "server", "status"),
    [
        ("auto", "127.0.0.1", "127.0.0.1", 200),
        ("auto", "127.0.0.1", "192.0.2.7", 404),
        ("off", "127.0.0.1", "127.0.0.1", 404),
        ("on", "127.0.0.1", "192.0.2.7", 200),
    ],
    ids=["loopback", "elsewhere", "off", "on"],
)
async def test_the_documentation_is_for_this_machine(
    wanted: str, host: str, server: str, status: int, tmp_path: Path
) -> None:
    """Docs and schema are there on loopback alone, unless they are asked for. Security S6."""
    app = face(Maker(), tmp_path, web=Web(host=host, docs=wanted, keys=str(tmp_path / "keys.json")))
    for path in ("/docs", "/openapi.json", "/docs/errors"):
        assert (await ask(app, path, server=server)).status == status


def test_every_code_has_its_anchor() -> None:
    """The `type` of a problem leads to the text of its code."""
    text = (pages.FOLDER / "errors.md").read_text("utf-8")
    page = pages.errors_page().body.decode()
    codes = [line[4:] for line in text.splitlines() if line.startswith("### ")]
    assert len(codes) > 50
    assert all(f'<h3 id="{code}">{code}</h3>' in page for code in codes)
    assert pages.rendered("### a<b\nsee [x](y.md) `c<d`\n\n    pre <") == (
        '<h3 id="a&lt;b">a&lt;b</h3>\n<p>see x <code>c&lt;d</code></p>\n<pre>pre &lt;</pre>'
    )


def test_endpoints_are_found_by_their_folder() -> None:
    """Every endpoint of `web.routes` is served, under its own name and paths."""
    endpoints = found()
    assert len({endpoint.name for endpoint in endpoints}) == len(endpoints)
    paths = [path for endpoint in endpoints for path in endpoint.paths]
    assert len(set(paths)) == len(paths)
    assert all(any(path.startswith("/api/v1/") for path in endpoint.paths) for endpoint in endpoints)
