"""A face beside its heart: where it listens, that it is kept running and told of, and that it ends when it is to."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from perpscope.app.demo import DECIDES, told_to_face
from perpscope.app.strategies_told import catalogue
from perpscope.cli import addresses, collecting, faces
from perpscope.cli.addresses import Address, chosen, listen, url
from perpscope.cli.faces import Face, face_of
from perpscope.config import Loaded, load
from perpscope.errors import ConfigError
from perpscope.settings import Log, Settings, Web

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

#: Serves like a face as far as whoever started it can tell: a first line, words on stderr, the end of stdin.
LIKE_A_FACE = (
    "import sys; print('http://x', flush=True); print('a word', file=sys.stderr, flush=True); sys.stdin.read()"
)
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + LIKE_A_FACE + "; signal.pause()"


@pytest.fixture
def here() -> Iterator[socket.socket]:
    """A socket that listens on this machine."""
    with listen(Address("127.0.0.1", 0, is_asked=True)) as listening:
        yield listening


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests."""
    for name in [*os.environ]:
        if name.startswith("PERPSCOPE_") or name == "PORT":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def face(listening: socket.socket, said: list[str], *, does: str = LIKE_A_FACE, is_opened: bool = False) -> Face:
    """A face that does what the test wants."""
    return Face(
        [],
        listening,
        "http://127.0.0.1:1",
        environment=os.environ,
        announce=said.append,
        is_opened=is_opened,
        program=(sys.executable, "-c", does),
    )


def is_there(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_face_is_told_of_and_ended(
    here: socket.socket, eventually: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its URL once it serves, its words among ours, the browser where one is wanted; nothing of it is left."""
    said: list[str] = []
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    async with face(here, said, is_opened=True) as beside:
        await eventually(lambda: len(said) == 2 and bool(opened))
        pid = beside.pid
        assert pid is not None
        assert is_there(pid)
    assert not is_there(pid)
    assert beside.pid is None
    assert here.fileno() == -1
    assert sorted(said) == ["face: a word", "the face is at http://127.0.0.1:1"]
    assert opened == ["http://127.0.0.1:1"]
    await beside.end()


async def test_a_face_that_dies_is_started_again(here: socket.socket, eventually: Wait) -> None:
    """It is said how it ended and that it is back; the address stays open meanwhile."""
    said: list[str] = []
    async with face(here, said) as beside:
        await eventually(lambda: "the face is at http://127.0.0.1:1" in said)
        first = beside.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: beside.pid is None)
        with socket.create_connection(here.getsockname(), timeout=5.0):
            pass
        await eventually(lambda: "the face is back at http://127.0.0.1:1" in said)
        assert beside.pid not in (first, None)
    assert "the face ended (signal 9); it is started again in 0.5 s, the heart goes on" in said


async def test_what_a_face_said_last_is_told(here: socket.socket, eventually: Wait) -> None:
    """One that cannot start says why before it is said that it ended; the waits double."""
    said: list[str] = []
    async with face(here, said, does="import sys; sys.exit('x' * 100_000 + chr(10) + 'why')"):
        await eventually(lambda: any("again in 1 s" in line for line in said))
    assert said.index("face: why") < next(at for at, line in enumerate(said) if "ended" in line)
    ends = [line for line in said if line.startswith("the face ended")]
    assert ends[0] == "the face ended (exit 1); it is started again in 0.5 s, the heart goes on"


async def test_a_face_that_cannot_be_run_is_tried_again(here: socket.socket, eventually: Wait) -> None:
    """A program that is not there is no reason for the heart to end."""
    said: list[str] = []
    beside = Face(
        [],
        here,
        "http://x",
        environment=os.environ,
        announce=said.append,
        is_opened=False,
        program=("/nowhere/at-all",),
    )
    async with beside:
        await eventually(lambda: bool(said))
    assert said[0].startswith("the face could not be started: No such file")


async def test_a_face_that_does_not_listen_is_killed(
    here: socket.socket, eventually: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heart does not wait for it longer than it may."""
    monkeypatch.setattr(faces, "_END_WITHIN_S", 0.2)
    said: list[str] = []
    beside = face(here, said, does=STUBBORN)
    async with beside:
        await eventually(lambda: len(said) == 2)
        pid = beside.pid
        assert pid is not None
        beside.end_soon()
        await beside.end()
    assert not is_there(pid)


async def test_a_face_that_was_never_begun_lets_its_address_go(here: socket.socket) -> None:
    """Ended before it was started."""
    await face(here, []).end()
    assert here.fileno() == -1


@pytest.mark.usefixtures("bare")
def test_a_default_that_is_taken_gives_way() -> None:
    """The next free of the ten ports after it; one that was asked for is refused by name."""
    with listen(Address("127.0.0.1", 0, is_asked=True)) as first:
        port = first.getsockname()[1]
        with listen(Address("127.0.0.1", port, is_asked=False)) as second:
            assert port < second.getsockname()[1] <= port + 10
        with pytest.raises(ConfigError) as refused:
            listen(Address("127.0.0.1", port, is_asked=True))
    assert refused.value.code == "port-taken"
    assert f"127.0.0.1:{port}" in refused.value.message
    assert "--port 0" in str(refused.value.hint)


def test_a_crowded_neighbourhood_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all of them are taken the message says how many were tried."""
    monkeypatch.setattr(addresses, "_NEXT", 0)
    with listen(Address("127.0.0.1", 0, is_asked=True)) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=f"listens at 127.0.0.1:{port}$"):
            listen(Address("127.0.0.1", port, is_asked=False))
    taken = [listen(Address("127.0.0.1", 0, is_asked=True))]
    try:
        port = taken[0].getsockname()[1]
        monkeypatch.setattr(addresses, "_NEXT", 1)
        with contextlib.suppress(ConfigError):  # somebody else has it: just as well
            taken.append(listen(Address("127.0.0.1", port + 1, is_asked=True)))
        with pytest.raises(ConfigError, match="and at the 1 ports after it"):
            listen(Address("127.0.0.1", port, is_asked=False))
    finally:
        for one in taken:
            one.close()


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("host", ["203.0.113.1", "no-such-host.invalid"], ids=["elsewhere", "unknown"])
def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    """By name, with a hint."""
    with pytest.raises(ConfigError) as refused:
        listen(Address(host, 0, is_asked=True))
    assert refused.value.code == "web-address"
    assert host in refused.value.message


@pytest.mark.parametrize(
    ("flag", "variable", "setting", "expected"),
    [
        pytest.param(None, None, None, (8000, False), id="default"),
        pytest.param(None, None, 9001, (9001, True), id="setting"),
        pytest.param(None, "9002", 9001, (9002, True), id="environment"),
        pytest.param(9003, "9002", 9001, (9003, True), id="flag"),
        pytest.param(0, "nonsense", None, (0, True), id="any"),
    ],
)
def test_the_port_is_named_by_whoever_is_nearest(
    monkeypatch: pytest.MonkeyPatch,
    flag: int | None,
    variable: str | None,
    setting: int | None,
    expected: tuple[int, bool],
) -> None:
    """The flag, `$PORT`, the setting, the default; only the last gives way."""
    if variable is not None:
        monkeypatch.setenv("PORT", variable)
    if setting is not None:
        monkeypatch.setenv("PERPSCOPE_WEB__PORT", str(setting))
    address = chosen(load(), None, flag)
    assert (address.port, address.is_asked) == expected
    assert address.host == "127.0.0.1"


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("value", ["http", "-1", "65536", "٣"])
def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """`$PORT` comes from others: it is looked at."""
    monkeypatch.setenv("PORT", value)
    with pytest.raises(ConfigError) as refused:
        chosen(load(), None, None)
    assert refused.value.code == "option-value"
    assert value in refused.value.message


def test_the_url_is_one_that_can_be_opened(here: socket.socket) -> None:
    """Of an address that stands for all of them, this machine's own; with TLS, https."""
    port = here.getsockname()[1]
    assert url(here, Web()) == f"http://127.0.0.1:{port}"
    assert url(here, Web(certificate="c.pem")) == f"https://127.0.0.1:{port}"
    with listen(Address("0.0.0.0", 0, is_asked=True)) as anywhere:
        assert url(anywhere, Web()) == f"http://127.0.0.1:{anywhere.getsockname()[1]}"


def test_a_browser_is_opened_where_somebody_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal of a desktop; not over SSH, not without a screen."""
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("SSH_CONNECTION", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert not addresses.is_desktop()
    monkeypatch.setenv("DISPLAY", ":0")
    assert addresses.is_desktop()
    monkeypatch.setenv("SSH_CONNECTION", "a b c d")
    assert not addresses.is_desktop()
    monkeypatch.delenv("SSH_CONNECTION")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert not addresses.is_desktop()


@pytest.mark.usefixtures("bare")
def test_no_face_without_a_screen_unless_its_port_is_named() -> None:
    """`--headless` means neither; `--port` asks for one all the same."""
    words = {"host": None, "is_opened": False, "config": None}
    assert collecting.face_beside(load(), headless=True, port=None, **words) is None  # type: ignore[arg-type]  # of two kinds
    made = collecting.face_beside(load(), headless=True, port=0, **words)  # type: ignore[arg-type]  # of two kinds
    assert made is not None
    asyncio.run(made(Path("m.db")).end())


@pytest.mark.usefixtures("bare")
async def test_a_face_is_called_as_its_heart_was(tmp_path: Path) -> None:
    """The same database, address and configuration; the log beside the heart's, because a file is one process's."""
    settings = replace(Settings(), log=Log(file=str(tmp_path / "heart.log")))
    made = face_of(Loaded(settings, {}), host=None, port=0, is_opened=False, config=tmp_path / "p.toml", announce=print)
    beside = made(Path("m.db"))
    assert beside._words[-6:] == ("--db", "m.db", "--host", "127.0.0.1", "--config", str(tmp_path / "p.toml"))
    assert beside._environment["PERPSCOPE_LOG__FILE"] == str(tmp_path / "heart-face.log")
    await beside.end()


@pytest.mark.usefixtures("bare")
async def test_a_demo_tells_its_face_what_its_heart_runs(tmp_path: Path) -> None:
    """The strategy that thinks aloud there is enabled for the face too; one's own configuration says it by itself."""
    told = told_to_face(Settings())
    made = face_of(
        Loaded(Settings(), {}),
        host=None,
        port=0,
        is_opened=False,
        config=None,
        announce=print,
        environment=told,
    )
    beside = made(tmp_path / "m.db")
    settings = load(environment=beside._environment).settings
    assert [one.name for one in catalogue(settings).strategies if one.is_enabled] == [DECIDES]
    assert told_to_face(replace(Settings(), strategy={"hold": {"enabled": True}})) == {}
    await beside.end()


@pytest.mark.usefixtures("bare")
def test_an_open_address_without_a_key_is_refused_before_anything_runs() -> None:
    """What `serve` refuses, `live` and `demo` refuse at once."""
    with pytest.raises(ConfigError) as refused:
        face_of(load(), host="0.0.0.0", port=0, is_opened=False, config=None, announce=print)
    assert refused.value.code == "exposed-no-key"
