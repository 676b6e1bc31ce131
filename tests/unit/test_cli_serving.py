"""`serve`: what it serves and where, as its flags, the environment and the settings say; and that it ends quietly."""

import io
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perpscope.app.alerts.sink import SinkMaker
from perpscope.cli import serving
from perpscope.cli.addresses import Address, listen
from perpscope.cli.main import run
from perpscope.notify.sinks import make_sinks
from perpscope.settings import Settings
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

Captured = pytest.CaptureFixture[str]


class Served:
    """What the server was asked to serve; it ends at once."""

    def __init__(self) -> None:
        self.settings: Settings
        self.database: Path | None = None
        self.address = ("", 0)
        self.sinks: SinkMaker | None = None

    def __call__(
        self,
        settings: Settings,
        database: Path | None,
        *,
        host: str,
        port: int,
        sockets: list[socket.socket],
        ready: Callable[[str], None],
        sinks: SinkMaker,
    ) -> None:
        self.settings, self.database, self.address, self.sinks = settings, database, (host, port), sinks
        assert sockets[0].getsockname()[1] == port
        ready("http://the-server-s-own-words")
        for one in sockets:
            one.close()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Served]:
    """A server that only notes what it was asked, in a folder and an environment of its own."""
    for name in [*os.environ]:
        if name.startswith(("PERPSCOPE_", "XDG_")) or name == "PORT":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PORT", "0")
    monkeypatch.chdir(tmp_path)
    made = Served()
    monkeypatch.setattr("perpscope.web.serve.serve", made)
    before = signal.getsignal(signal.SIGTERM)
    yield made
    signal.signal(signal.SIGTERM, before)


def test_a_store_is_served_where_port_says(served: Served, tmp_path: Path, capsys: Captured) -> None:
    """The URL on stdout, the database on stderr; the settings know the address that was really taken.

    Alerts are told by what `notify` makes.
    """
    SqliteStore.open(tmp_path / "d.db", kind=StoreKind.DEMO).close()
    assert run(["serve", "--db", "d.db"]) == 0
    host, port = served.address
    assert (host, served.settings.web.port, served.settings.web.host) == ("127.0.0.1", port, "127.0.0.1")
    assert port != 0
    assert served.database == Path("d.db")
    assert served.sinks is make_sinks
    out, err = capsys.readouterr()
    assert out == f"http://127.0.0.1:{port}\n"
    assert err == "database d.db (named by command line)\n"


def test_a_face_may_be_there_before_its_store(served: Served, capsys: Captured) -> None:
    """It says so, and serves it once there is one."""
    assert run(["serve", "--db", "none.db"]) == 0
    assert served.database == Path("none.db")
    assert "there is no such file yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "database"),
    [
        pytest.param([], None, id="replica"),
        pytest.param(["--db", "d.db"], Path("d.db"), id="with-a-store"),
    ],
)
def test_a_redis_takes_the_place_of_a_store(
    served: Served, words: list[str], database: Path | None, capsys: Captured
) -> None:
    """Without a database a replica; both settings are set by the one flag."""
    assert run(["serve", "--redis", "redis://127.0.0.1:1#desk", *words]) == 0
    assert served.database == database
    assert served.settings.redis.bus == served.settings.redis.cache == "redis://127.0.0.1:1#desk"
    assert ("no store" in capsys.readouterr().err) is (database is None)


def test_no_redis_can_be_said_too(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty URL takes back what the environment says."""
    monkeypatch.setenv("PERPSCOPE_REDIS", "redis://127.0.0.1:1")
    assert run(["serve", "--redis", "", "--db", "d.db"]) == 0
    assert served.settings.redis.bus == ""


def test_an_inherited_socket_is_served(served: Served) -> None:
    """As `demo` and `live` hand it on."""
    listening = listen(Address("127.0.0.1", 0, is_asked=True))
    port = listening.getsockname()[1]
    assert run(["serve", "--db", "d.db", "--fd", str(listening.detach())]) == 0
    assert served.address[1] == port


def test_a_browser_is_opened_when_it_is_asked_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--open`, at the URL that was told; not otherwise."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert run(["serve", "--db", "d.db"]) == 0
    assert opened == []
    assert run(["serve", "--db", "d.db", "--open"]) == 0
    assert opened == [f"http://127.0.0.1:{served.address[1]}"]


def test_an_address_others_can_reach_asks_for_a_key(served: Served, capsys: Captured) -> None:
    """Nothing listens before that is so."""
    assert run(["serve", "--db", "d.db", "--host", "0.0.0.0"]) == 2
    assert "error exposed-no-key" in capsys.readouterr().err
    assert served.address == ("", 0)


def test_sigterm_is_an_orderly_end(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service manager sends gives exit code 0, also while it is only starting."""

    def killed(_: Settings, __: Path | None, *, sockets: list[socket.socket], **___: object) -> None:
        sockets[0].close()
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("perpscope.web.serve.serve", killed)
    assert run(["serve", "--db", "d.db"]) == 0
    assert served.database is None


def test_a_line_nobody_reads_fails_nobody() -> None:
    """Written to stderr by a face whose heart is gone: what is written there is lost, and that is all."""
    reading, writing = os.pipe()
    stream = serving._Unbroken(os.fdopen(writing, "wb", 0), encoding="utf-8", line_buffering=True)
    print("heard", file=stream, flush=True)
    assert os.read(reading, 100) == b"heard\n"
    os.close(reading)
    for _ in range(3):
        print("not heard", file=stream, flush=True)
    assert isinstance(stream, io.TextIOWrapper)
    stream.detach().close()
