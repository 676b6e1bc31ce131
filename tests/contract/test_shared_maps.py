"""Maps that instances share, in a folder and in an object store: one contract for both."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from tests.contract.object_places import BUCKET, Front, object_store
from tests.unit.test_snapshots import snapshot

from perpscope.app import doctor_machine
from perpscope.errors import ConfigError, StoreError
from perpscope.settings import Map, Settings
from perpscope.stores import shared_objects
from perpscope.stores.shared_check import check_shared
from perpscope.stores.shared_maps import SharedMaps, read_head, read_row
from perpscope.stores.shared_objects import SharedObjects, open_objects

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    """An object store for the module."""
    with object_store() as running:
        yield running


@pytest.fixture(params=["folder", "object-store"])
def share(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `map.share` says; a place of this test's own."""
    if request.param == "folder":
        return str(tmp_path / "shared")
    running: Front = request.getfixturevalue("front")
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    return f"gs://{BUCKET}/{tmp_path.name}/maps"


@pytest.fixture
def cloud(front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Front]:
    """A place in the object store, and what stands before it."""
    for name, value in front.environment.items():
        monkeypatch.setenv(name, value)
    front.trouble.clear()
    front.asked.clear()
    return f"gs://{BUCKET}/{tmp_path.name}/maps", front


def maps(share: str, writer: str = "a") -> SharedMaps:
    """The shared maps of demo data, as a heart opens them."""
    return SharedMaps(open_objects(share), "demo", writer)


def rows_of(objects: SharedObjects, symbol: str = "BTC") -> list[str]:
    """Names of the rows that are there, linked or not."""
    return objects.names(f"demo/{symbol}/rows")


def test_objects_are_there_whole_and_in_order(share: str) -> None:
    """Put, read, listed from a name on, taken away; what is missing is None."""
    objects = open_objects(share)
    assert (objects.get("a/b/x"), objects.head("a/b/head"), objects.names("a/b"), objects.folders("a")) == (
        None,
        None,
        [],
        [],
    )
    for name in ("00000010-f", "00000002-a", "00000003-b"):
        objects.put(f"a/b/{name}", name.encode())
    objects.put("a/c%2Fd/x", b"")
    assert objects.names("a/b") == ["00000002-a", "00000003-b", "00000010-f"]
    assert objects.names("a/b", after="00000003") == ["00000003-b", "00000010-f"]
    assert objects.folders("a") == ["b", "c%2Fd"]
    objects.put("a/b/00000003-b", b"other")
    assert objects.get("a/b/00000003-b") == b"other"
    objects.delete("a/b/00000003-b")
    objects.delete("a/b/00000003-b")
    assert objects.get("a/b/00000003-b") is None


def test_a_head_is_replaced_by_comparison_alone(share: str) -> None:
    """Who read an older state of it, or none, is told that somebody else was first. Keeps S3-31."""
    objects = open_objects(share)
    first = objects.swap("x/head", b"one", None)
    assert first is not None
    assert objects.swap("x/head", b"late", None) is None
    second = objects.swap("x/head", b"two", first)
    assert second is not None
    assert objects.swap("x/head", b"late", first) is None
    read = objects.head("x/head")
    assert read is not None
    assert read.content == b"two"
    assert objects.swap("x/head", b"three", read) is not None
    assert objects.swap("x/head", b"late", second) is None
    assert objects.names("x", after="head~") == []


def test_a_snapshot_is_shared_as_it_is(share: str) -> None:
    """The payload's bytes, what it was made by, who put it there and its row in the local chain. Keeps S3-31."""
    mine = maps(share, "aa11")
    linked = [mine.append(snapshot(at), "f" * 64) for at in range(3)]
    assert [one.row.row for one in linked] == [0, 1, 2]
    objects = open_objects(share)
    held = objects.head("demo/BTC/head")
    assert held is not None
    assert read_head(held.content) == (2, linked[2].chain)
    content = objects.get(f"demo/BTC/rows/{rows_of(objects)[1]}")
    assert content is not None
    assert content.endswith(b"\n" + snapshot(1).payload)
    found = read_row(content)
    assert found is not None
    assert (found.row.ts, found.row.formula, found.row.note) == (snapshot(1).ts, "method", f"by aa11 {'f' * 64}")
    (told,) = check_shared(objects)
    assert (told.ok, told.rows, told.maps, told.folder, told.head) == (True, 3, 3, "demo/BTC", linked[2].chain)
    assert check_shared(objects, "ETH") == []
    assert not check_shared(objects, "BTC", contains="0" * 64)[0].ok


def test_two_hearts_make_one_chain(share: str) -> None:
    """Who comes second follows the first: all of both is there, nothing is left beside. Keeps S3-31."""
    one, other = maps(share, "one"), maps(share, "other")
    for at in range(4):
        one.append(snapshot(2 * at))
        other.append(snapshot(2 * at))
    objects = open_objects(share)
    (told,) = check_shared(objects)
    assert (told.ok, told.maps) == (True, 8)
    assert len(rows_of(objects)) == 8


def test_a_state_is_found_again_and_old_ones_go(share: str) -> None:
    """The newest whose row is in the chain, whoever left it; two of one heart stay. Keeps S3-31."""
    mine = maps(share, "one")
    assert mine.newest("BTC") is None
    for at in range(3):
        mine.append(snapshot(at))
        mine.keep(snapshot(at), f"state {at}".encode() * 100)
    maps(share, "other").append(snapshot(3))
    found = maps(share, "fresh").newest("BTC")
    assert found is not None
    assert (found.content, found.row.ts, found.row.note) == (b"state 2" * 100, snapshot(2).ts, "by one")
    objects = open_objects(share)
    assert len(objects.names("demo/BTC/kept")) == 2
    (told,) = check_shared(objects)
    assert (told.ok, told.rows, told.maps) == (True, 7, 4)
    assert maps(share).newest("ETH") is None
    assert SharedMaps(objects, "observed", "x").newest("BTC") is None


def test_states_of_hearts_that_ended_go_a_day_later(share: str) -> None:
    """Whoever keeps a state takes them away; the newest stay whatever their age."""
    maps(share, "ended").keep(snapshot(0), b"first")
    maps(share, "late").keep(snapshot(100), b"second")
    mine = maps(share, "mine")
    for at in (200, 250):
        mine.keep(snapshot(at), str(at).encode())
    assert len(open_objects(share).names("demo/BTC/kept")) == 4
    mine.keep(snapshot(400), b"400")
    assert len(open_objects(share).names("demo/BTC/kept")) == 2
    (told,) = check_shared(open_objects(share))
    assert (told.ok, told.rows) == (True, 5)


def damaged(objects: SharedObjects, which: str) -> None:
    """Change one object of a chain."""
    rows = rows_of(objects)
    if which == "head":
        name, content = "demo/BTC/head", b"7 nonsense\n"
        before = objects.head(name)
        assert objects.swap(name, content, before) is not None
        return
    name = {
        "row": f"demo/BTC/rows/{rows[1]}",
        "row-missing": f"demo/BTC/rows/{rows[1]}",
        "payload": f"demo/BTC/rows/{rows[2]}",
        "state": f"demo/BTC/kept/{objects.names('demo/BTC/kept')[0]}",
    }[which]
    content = objects.get(name) or b""
    if which == "row-missing":
        objects.delete(name)
    else:
        objects.put(name, content.replace(b'"row":1', b'"row":9') if which == "row" else content[:-1] + b"?")


@pytest.mark.parametrize("which", ["head", "row", "row-missing", "payload", "state"])
def test_what_was_changed_is_named_and_not_taken(share: str, which: str) -> None:
    """Whoever begins from it says share-broken, and the check names the object. Keeps S3-31. Keeps B10."""
    mine = maps(share)
    for at in range(3):
        mine.append(snapshot(at))
    mine.keep(snapshot(2), b"state")
    objects = open_objects(share)
    damaged(objects, which)
    with pytest.raises(StoreError, match="BTC") as caught:
        maps(share, "fresh").newest("BTC")
    assert caught.value.code == "share-broken"
    (told,) = check_shared(objects)
    kind = {"row": "edited", "row-missing": "missing", "payload": "edited", "state": "payload", "head": "head"}[which]
    assert [fault.kind for fault in told.faults] == [kind]
    if which == "head":
        with pytest.raises(StoreError, match="7 nonsense"):
            maps(share, "fresh").append(snapshot(5))


_RACE = """
import sys
from tests.contract.test_shared_maps import maps
from tests.unit.test_snapshots import snapshot
mine = maps(sys.argv[1], sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for at in range(int(sys.argv[3])):
    mine.append(snapshot(at, payload=f"{sys.argv[2]} {at}".encode()))
print("done", flush=True)
"""


def started(script: str, *words: str) -> "subprocess.Popen[str]":
    """Another process, with this one's environment."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )


def test_two_processes_that_race_lose_nothing(share: str) -> None:
    """Forty snapshots each at once: one chain of eighty, verified, each there once. Keeps S3-31. Keeps H10."""
    racers = [started(_RACE, share, name, "40") for name in ("one", "other")]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    assert [racer.communicate(timeout=60)[0] for racer in racers] == ["done\n", "done\n"]
    objects = open_objects(share)
    (told,) = check_shared(objects)
    assert (told.ok, told.maps) == (True, 80), told.faults
    contents = [objects.get(f"demo/BTC/rows/{name}") or b"" for name in rows_of(objects)]
    payloads = {content.partition(b"\n")[2].decode() for content in contents}
    assert payloads == {f"{name} {at}" for name in ("one", "other") for at in range(40)}
    assert len(contents) == 80


_KILLED = """
import os, signal, sys
from tests.contract.test_shared_maps import maps
from tests.unit.test_snapshots import snapshot
mine = maps(sys.argv[1], "killed")
mine.append(snapshot(0))
mine.append(snapshot(1))
mine._objects.swap = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
mine.append(snapshot(2))
"""


def test_a_heart_killed_between_row_and_head_leaves_no_trace(share: str) -> None:
    """Its row was never in the chain; who comes after goes on, and takes it away. Keeps H10."""
    killed = started(_KILLED, share)
    assert killed.wait(timeout=60) == -signal.SIGKILL
    killed.communicate()
    objects = open_objects(share)
    assert len(rows_of(objects)) == 3
    (told,) = check_shared(objects)
    assert (told.ok, told.maps) == (True, 2), told.faults
    other = maps(share, "other")
    other.append(snapshot(2, payload=b"another"))
    assert len(rows_of(objects)) == 3
    other.append(snapshot(3))
    (told,) = check_shared(objects)
    assert (told.ok, told.maps, len(rows_of(objects))) == (True, 4, 4), told.faults


@pytest.mark.parametrize("where", [0, 1])
def test_a_slow_store_is_not_waited_for(cloud: tuple[str, Front], where: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after the client has given up comes once, whether the first attempt arrived or not. Keeps H10."""
    from perpscope.stores import cloud_objects  # noqa: PLC0415 -- needs the extra

    monkeypatch.setitem(cloud_objects._CLIENT, "timeout", timedelta(milliseconds=300))
    share, front = cloud
    monkeypatch.setattr(front, "slow_s", 0.8)
    mine = maps(share)
    mine.append(snapshot(0))
    front.trouble[:] = [*[""] * where, "slow"]
    began = time.monotonic()
    try:
        mine.append(snapshot(1))
    except StoreError:  # as whoever shares does when nobody knows
        mine.append(snapshot(1))
    assert time.monotonic() - began < 10.0
    mine.append(snapshot(2))
    (told,) = check_shared(open_objects(share))
    assert (told.ok, told.maps) == (True, 3), told.faults


@pytest.mark.parametrize("trouble", ["503", "cut", "lost"])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_trouble_of_the_store_is_tried_again(cloud: tuple[str, Front], trouble: str, where: int) -> None:
    """An error, a cut connection, a lost answer, of row or head: the snapshot is in the chain once. Keeps H10."""
    share, front = cloud
    mine = maps(share)
    mine.append(snapshot(0))
    front.trouble[:] = [*[""] * where, trouble]
    linked = mine.append(snapshot(1))
    mine.append(snapshot(2))
    assert linked.row.row == 1
    assert front.trouble == []
    objects = open_objects(share)
    (told,) = check_shared(objects)
    assert (told.ok, told.maps, len(rows_of(objects))) == (True, 3, 3), told.faults


def test_a_store_that_is_away_is_told_and_nothing_is_half_there(cloud: tuple[str, Front]) -> None:
    """Share-unreachable after bounded attempts; readers see the chain before; later it is put once. Keeps H10."""
    share, front = cloud
    mine = maps(share)
    mine.append(snapshot(0))
    for before in (0, 1):
        front.trouble[:] = [*[""] * before, *["503"] * 40]
        with pytest.raises(StoreError, match="503") as caught:
            mine.append(snapshot(1))
        assert caught.value.code == "share-unreachable"
        front.trouble.clear()
        (told,) = check_shared(open_objects(share))
        assert (told.ok, told.maps) == (True, 1)
    assert mine.append(snapshot(1)).row.row == 1
    mine.append(snapshot(2))
    (told,) = check_shared(open_objects(share))
    assert (told.ok, told.maps) == (True, 3)


def test_a_swap_whose_answer_never_came_is_found_out(cloud: tuple[str, Front], monkeypatch: pytest.MonkeyPatch) -> None:
    """The head took the row and nobody heard: the same snapshot, appended again, is not there twice. Keeps H10."""
    share, _ = cloud
    mine = maps(share)
    mine.append(snapshot(0))
    swap = mine._objects.swap

    def unheard(*words: object) -> None:
        swap(*words)  # type: ignore[arg-type]  # passed on as it came
        raise shared_objects.unreachable("no answer")

    monkeypatch.setattr(mine._objects, "swap", unheard)
    with pytest.raises(StoreError, match="no answer"):
        mine.append(snapshot(1))
    monkeypatch.setattr(mine._objects, "swap", swap)
    maps(share, "other").append(snapshot(1))
    assert mine.append(snapshot(1)).row.row == 1
    (told,) = check_shared(open_objects(share))
    assert (told.ok, told.maps) == (True, 3)


def test_what_is_taken_away_later_costs_nothing_now(share: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that will not delete or list: what was put is in the chain once, and old states go another time."""
    mine = maps(share)

    def refused(*_: object, **__: object) -> list[str]:
        raise shared_objects.unreachable("not allowed")

    with monkeypatch.context() as patch:
        patch.setattr(mine._objects, "names", refused)
        patch.setattr(mine._objects, "delete", refused)
        for at in range(3):
            mine.append(snapshot(at))
            mine.keep(snapshot(at), str(at).encode())
    objects = open_objects(share)
    assert len(objects.names("demo/BTC/kept")) == 3
    mine.keep(snapshot(3), b"3")
    assert len(objects.names("demo/BTC/kept")) == 2
    (told,) = check_shared(objects)
    assert (told.ok, told.maps, told.rows) == (True, 3, 7)


def test_who_is_never_first_gives_up_for_now(share: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bounded number of attempts, then share-busy; nothing of it stays."""
    mine = SharedMaps(open_objects(share), "demo", "slow", wait=lambda _: None)
    mine.append(snapshot(0))
    monkeypatch.setattr(mine._objects, "swap", lambda *_: None)
    with pytest.raises(StoreError, match="somebody else was first") as caught:
        mine.append(snapshot(1))
    assert caught.value.code == "share-busy"
    assert len(rows_of(open_objects(share))) == 1


def test_a_head_of_the_folder_keeps_its_last_generations(tmp_path: Path) -> None:
    """Who comes back after a hundred others were first is told so, though the file of that time is gone."""
    objects = open_objects(str(tmp_path))
    first = held = objects.swap("head", b"0", None)
    for at in range(1, 100):
        held = objects.swap("head", str(at).encode(), held)
        assert held is not None
    assert len(list(tmp_path.iterdir())) == 64
    assert objects.swap("head", b"late", first) is None
    assert objects.swap("head", b"late", None) is None
    read = objects.head("head")
    assert read is not None
    assert read.content == b"99"
    assert len(list(tmp_path.iterdir())) == 64


def test_what_a_killed_process_was_writing_goes(tmp_path: Path) -> None:
    """A file that never got its name is taken away an hour later, and is in no listing before."""
    objects = open_objects(str(tmp_path))
    objects.put("rows/a", b"")
    left = tmp_path / "rows" / ".0123456789abcdef"
    left.write_bytes(b"half")
    assert objects.names("rows") == ["a"]
    assert left.exists()
    os.utime(left, (1.0, 1.0))
    assert objects.names("rows") == ["a"]
    assert not left.exists()


REFUSED: dict[str, tuple[str, str]] = {
    "scheme": ("ftp://host/maps", "share-url"),
    "bucket": ("gs://", "share-url"),
    "extra": ("s3://bucket/maps", "extra-missing"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_place_that_cannot_be_used_is_refused_before_anything_starts(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheme nobody knows, no bucket, an extra that is not installed: with what to do about it."""
    if name == "extra":
        missing: Callable[[str], None] = lambda _: None  # noqa: E731 -- as short as it gets
        monkeypatch.setattr(shared_objects, "find_spec", missing)
    where, code = REFUSED[name]
    with pytest.raises(ConfigError) as caught:
        open_objects(where)
    assert caught.value.code == code
    assert caught.value.hint


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file is in its place: share-unreachable, with the path."""
    (tmp_path / "shared").write_text("")
    with pytest.raises(StoreError, match="shared") as caught:
        maps(str(tmp_path / "shared")).append(snapshot(0))
    assert caught.value.code == "share-unreachable"


class _S3(BaseHTTPRequestHandler):
    """One object by S3's rules for conditional writes (If-None-Match: *, If-Match: ETag), and what was asked."""

    protocol_version = "HTTP/1.1"
    held: bytes | None = None
    conditions: ClassVar[list[dict[str, str]]] = []

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        asked = {k.lower(): v for k, v in self.headers.items() if k.lower().startswith("if-")}
        _S3.conditions.append(asked)
        is_new = asked == {"if-none-match": "*"} and _S3.held is None
        if is_new or (_S3.held is not None and asked == {"if-match": _etag(_S3.held)}):
            _S3.held = content
            self._answer(200, b"", _etag(content))
        else:
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>", None)

    def do_GET(self) -> None:
        self._answer(200, _S3.held or b"", _etag(_S3.held or b""))

    def _answer(self, status: int, content: bytes, etag: str | None) -> None:
        self.send_response(status)
        if etag is not None:
            self.send_header("ETag", etag)
            self.send_header("Last-Modified", "Sun, 22 Nov 2026 00:00:00 GMT")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


def test_s3_is_asked_by_its_own_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """If-None-Match for the first, If-Match with the ETag for the next; 412 is somebody else. Keeps S3-31."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _S3) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        for name, value in (
            ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}"),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ):
            monkeypatch.setenv(name, value)
        objects = open_objects("s3://bucket/maps")
        first = objects.swap("BTC/head", b"one", None)
        assert first is not None
        assert objects.swap("BTC/head", b"late", None) is None
        assert objects.swap("BTC/head", b"two", first) is not None
        assert objects.swap("BTC/head", b"late", first) is None
        read = objects.head("BTC/head")
        assert read is not None
        assert read.content == b"two"
        assert objects.swap("BTC/head", b"three", read) is not None
        server.shutdown()
    assert _S3.conditions[:3] == [{"if-none-match": "*"}] * 2 + [{"if-match": _etag(b"one")}]


def test_the_doctor_tries_the_place(share: str, tmp_path: Path) -> None:
    """Something is put there, read and taken away; what cannot be used is said, with what to change."""
    (told,) = (one for one in looked(tmp_path, share) if one.name == "map-share")
    assert (told.state, told.detail) == ("ok", f"maps can be shared at {share}")
    objects = open_objects(share)
    assert objects.names("") == []
    (tmp_path / "file").write_text("")
    for place, word in ((f"{tmp_path}/file", "unreachable"), ("ftp://x", "must be a folder")):
        (told,) = (one for one in looked(tmp_path, place) if one.name == "map-share")
        assert told.state == "fail"
        assert told.fix
        assert word in told.detail or "file" in told.detail


def looked(folder: Path, share: str) -> list[doctor_machine.Told]:
    """What the doctor finds of this machine."""
    return list(doctor_machine.look(folder / "market.db", Settings(map=Map(share=share))))


def test_what_opens_a_store_is_never_told(cloud: tuple[str, Front], monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials come from the environment, and are in no message."""
    _, front = cloud
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDMARKED")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-marked")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{front.server_port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    front.trouble[:] = ["503"] * 20
    with pytest.raises(StoreError) as caught:
        open_objects("s3://bucket/maps").get("x")
    front.trouble.clear()
    assert "MARKED" not in caught.value.message.upper()
    assert caught.value.__cause__ is None
