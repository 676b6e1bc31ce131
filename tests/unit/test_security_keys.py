"""API keys: how they are kept, found, ended, and shown. S9, S11, S17, S23."""

import hashlib
import hmac
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.unit.knocking import Door

from perpscope.app import api_keys, key_file, places
from perpscope.app.api_keys import LOCAL, ApiKeys, Scope
from perpscope.cli.main import run
from perpscope.errors import ConfigError, StoreError
from perpscope.settings import Web
from perpscope.web.rates import Rates
from perpscope.web.tickets import Tickets

Captured = pytest.CaptureFixture[str]
NOW_NS = 1_800_000_000_000_000_000
DAY_NS = 86_400_000_000_000


class Clock:
    """Both clocks, set by hand."""

    def __init__(self) -> None:
        self.s = 0.0

    def monotonic(self) -> float:
        """Real seconds."""
        return self.s

    def now_ns(self) -> int:
        """Wall time."""
        return NOW_NS + round(self.s * 1e9)


@pytest.fixture
def clock() -> Clock:
    """At the beginning."""
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the file of keys."""
    return tmp_path / "api-keys.json"


def watched(path: Path, clock: Clock) -> ApiKeys:
    """The keys as a running face sees them."""
    return ApiKeys(path, monotonic=clock.monotonic, now_ns=clock.now_ns)


def add(path: Path, *scopes: Scope, days: float | None = None) -> tuple[str, bytes]:
    """A new key: id and text."""
    key, text = key_file.add(path, label="", scopes=scopes, days=days, now_ns=NOW_NS)
    return key.id, text.encode()


def test_s9_a_key_is_256_random_bits_and_kept_as_a_hash(path: Path) -> None:
    """S9: the file holds no secret, and is its owner's alone; nor is anything left beside it."""
    texts = [add(path)[1] for _ in range(20)]
    secrets = [text.split(b"_")[2] for text in texts]
    assert len(set(secrets)) == 20
    assert all(re.fullmatch(rb"[0-9a-f]{64}", secret) for secret in secrets)
    kept = path.read_bytes()
    assert not [secret for secret in secrets if secret in kept]
    assert all(hashlib.sha256(secret).hexdigest().encode() in kept for secret in secrets)
    assert sorted(file.name for file in path.parent.iterdir()) == ["api-keys.json", "api-keys.json.lock"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_s9_a_key_is_found_by_its_whole_text(path: Path, clock: Clock) -> None:
    """S9: neither by its id, nor with another's secret, nor with anything else of that length."""
    key_id, text = add(path, Scope.TRADE)
    _, other = add(path)
    keys = watched(path, clock)
    grant = keys.find(text)
    assert grant is not None
    assert (grant.id, grant.expires_ms) == (key_id, None)
    assert [grant.allows(scope) for scope in Scope] == [True, True, False]
    assert [LOCAL.allows(scope) for scope in Scope] == [True, False, False]
    wrong = [
        b"",
        b"pps_",
        text[:-1],
        text + b"0",
        text.upper(),
        text[:13] + other[13:],
        b"pps_00000000_" + text[13:],
        b"\xff" * 77,
    ]
    assert [keys.find(one) for one in wrong] == [None] * len(wrong)


def test_s9_secrets_are_compared_in_constant_time(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """S9: by the one function made for that, also where there is no such key."""
    _, text = add(path)
    compared: list[tuple[str, str]] = []
    honest = hmac.compare_digest

    def watching(a: str, b: str) -> bool:
        compared.append((a, b))
        return honest(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watching)
    keys = watched(path, clock)
    for one in (text, text[:-1] + b"x", b"pps_00000000_" + text[13:], b"nonsense"):
        keys.find(one)
    assert len(compared) == 4
    assert {len(side) for pair in compared for side in pair} == {64}


def test_s9_a_revoked_key_ends_within_a_second(path: Path, clock: Clock) -> None:
    """S9, S11: without a restart, and a grant given before ends with it; so does one whose file is gone."""
    key_id, text = add(path)
    _, staying = add(path)
    keys = watched(path, clock)
    grant, other = keys.find(text), keys.find(staying)
    assert grant is not None
    assert other is not None
    ended = key_file.revoke(path, key_id, now_ns=NOW_NS + 5_000_000)
    assert ended.revoked_ms == NOW_NS // 1_000_000 + 5
    assert key_file.revoke(path, key_id, now_ns=NOW_NS + 9_000_000).revoked_ms == ended.revoked_ms
    clock.s += 0.3
    assert not grant.is_valid()
    assert keys.find(text) is None
    assert other.is_valid()
    path.unlink()
    clock.s += 0.3
    assert not other.is_valid()
    assert not keys.has_any
    assert LOCAL.is_valid()


def test_s9_a_key_expires(path: Path, clock: Clock) -> None:
    """S9, S11: by itself, to the second, and connections with it."""
    _, text = add(path, days=1.0)
    keys = watched(path, clock)
    grant = keys.find(text)
    assert grant is not None
    assert grant.expires_ms == (NOW_NS + DAY_NS) // 1_000_000
    clock.s += 86_399.0
    assert grant.is_valid()
    clock.s += 1.0
    assert not grant.is_valid()
    assert keys.find(text) is None


def test_s9_a_key_made_while_a_face_runs_is_known_to_it(path: Path, clock: Clock) -> None:
    """S9: the file may not even have been there."""
    keys = watched(path, clock)
    seen = [keys.has_any]
    _, text = add(path)
    clock.s += 0.3
    assert [*seen, keys.has_any] == [False, True]
    assert keys.find(text) is not None


def test_s9_a_file_that_cannot_be_trusted_opens_nothing(path: Path, clock: Clock) -> None:
    """S9: others may write it, it is no JSON, too large or of another version; it is said at the start."""
    _, text = add(path)
    good = path.read_bytes()
    keys = watched(path, clock)
    assert keys.find(text) is not None
    for content, mode, code in (
        (good, 0o606, "keys-open"),
        (good, 0o644, "keys-open"),
        (good, 0o620, "keys-open"),
        (b"{", 0o600, "keys-file"),
        (good.replace(b'"version": 1', b'"version": 2'), 0o600, "keys-file"),
        (b" " * 1_000_001, 0o600, "keys-file"),
    ):
        path.write_bytes(content)
        path.chmod(mode)
        clock.s += 0.3
        assert keys.find(text) is None
        with pytest.raises(ConfigError) as told:
            keys.check()
        assert told.value.code == code
    path.write_bytes(good)
    path.chmod(0o640)
    clock.s += 0.3
    assert keys.find(text) is not None
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        keys.check()


def test_a_change_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half-written file, and none left beside it."""
    add(path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", full)
        with pytest.raises(StoreError) as told:
            add(path)
    assert told.value.code == "keys-write"
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 2
    with pytest.raises(StoreError, match="cannot be written"):
        add(path.parent / "missing" / "keys.json")


def test_when_a_key_was_used_is_kept_aside(path: Path, clock: Clock) -> None:
    """Once a minute, in a file of its own that a face may fail to write; the later time of two faces wins."""
    key_id, text = add(path)
    keys, other = watched(path, clock), watched(path, clock)
    keys.keep_used()
    assert key_file.listed(path)[0][1] is None
    assert keys.find(text)
    due = [keys.is_use_due]
    clock.s = 60.0
    assert [*due, keys.is_use_due] == [False, True]
    assert other.find(text)
    other.keep_used()
    keys.keep_used()
    assert key_file.listed(path)[0][1] == (NOW_NS + 60_000_000_000) // 1_000_000
    used = path.with_name("api-keys.json.used")
    assert json.loads(used.read_bytes()) == {key_id: NOW_NS // 1_000_000 + 60_000}
    used.unlink()
    used.mkdir()
    assert keys.find(text)
    keys.keep_used()


def test_the_guard_has_use_written_down_off_the_loop(tmp_path: Path) -> None:
    """Not while a request is answered, and at the end at the latest."""
    door = Door(tmp_path)
    key_id, text = door.key()
    door.knock("/api/status", ("x-api-key", text))
    assert key_file.listed(door.path)[0][1] is None
    door.now += 61.0
    door.knock("/api/status", ("x-api-key", text))
    [(kept, used)] = key_file.listed(door.path)
    assert used is not None
    assert kept.id == key_id


def test_s11_a_ticket_is_good_once_for_thirty_seconds(path: Path, clock: Clock) -> None:
    """S11: for what its key may, and not longer than the key."""
    _, text = add(path, days=1.0)
    keys, tickets = watched(path, clock), Tickets(monotonic=clock.monotonic)
    grant = keys.find(text)
    assert grant is not None
    ticket = tickets.issue(grant)
    assert len(ticket) >= 43
    assert tickets.take(ticket) is grant
    assert tickets.take(ticket) is None
    assert tickets.take("") is None
    late = tickets.issue(grant)
    clock.s += 30.0
    assert tickets.take(late) is None
    clock.s = 86_390.0
    ending = tickets.issue(grant)
    clock.s += 10.0
    assert tickets.take(ending) is None


def test_s11_tickets_and_callers_are_forgotten(clock: Clock) -> None:
    """S11, S20: neither tickets nor buckets grow without bound."""
    tickets = Tickets(monotonic=clock.monotonic)
    first = tickets.issue(LOCAL)
    for _ in range(10_000):
        tickets.issue(LOCAL)
    assert len(tickets._out) == 10_000
    assert tickets.take(first) is None
    clock.s += 31.0
    tickets.issue(LOCAL)
    assert len(tickets._out) == 1
    rates = Rates(60, most=100, monotonic=clock.monotonic)
    for n in range(1000):
        assert rates.take(n).is_allowed
    assert len(rates) == 100
    assert rates.take(999, 59.0).remaining == 0
    assert rates.take(0, 60.0).is_allowed


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home and working folder."""
    for variable in [v for v in os.environ if v.startswith(("PERPSCOPE_", "XDG_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    structlog.reset_defaults()


def told(words: list[str], captured: Captured) -> dict[str, object]:
    """What one command printed as JSON."""
    assert run(["keys", *words, "--json"]) == 0
    answer: dict[str, object] = json.loads(captured.readouterr().out)
    return answer


def test_s9_keys_are_made_listed_and_revoked(home: Path, capsys: Captured) -> None:
    """S9: the secret is printed when it is made and never again; the file is in the user's data folder."""
    made = told(["add", "--label", "desk", "--scope", "trade", "--days", "30"], capsys)
    text = str(made["key"])
    assert text.startswith(f"pps_{made['id']}_")
    assert (made["label"], made["scopes"], made["state"]) == ("desk", ["read", "trade"], "valid")
    assert places.data_folder().is_relative_to(home)
    assert api_keys.path_of(Web()) == places.data_folder() / "api-keys.json"
    listed = told(["list"], capsys)
    assert isinstance(rows := listed["keys"], list)
    assert [row["id"] for row in rows] == [made["id"]]
    assert text.split("_")[2] not in json.dumps(listed)
    assert "sha256" not in json.dumps(listed)
    assert told(["revoke", str(made["id"])], capsys)["state"] == "revoked"
    assert run(["keys", "list"]) == 0
    out, err = capsys.readouterr()
    assert re.search(rf"{made['id']} desk +read, trade revoked .* never", out)
    assert str(api_keys.path_of(Web())) in err


def test_s9_only_the_key_itself_goes_to_stdout(home: Path, capsys: Captured) -> None:
    """S9: so that it can be put into a file or a variable; what a label holds cannot forge a line."""
    assert run(["keys", "list"]) == 0
    assert capsys.readouterr().out == "no keys: perpscope keys add\n"
    assert run(["keys", "add", "--label", "[bold]x"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"pps_[0-9a-f]{8}_[0-9a-f]{64}\n", out)
    assert out.strip() not in err
    assert run(["keys", "list"]) == 0
    assert "[bold]x" in capsys.readouterr().out
    assert run(["keys", "revoke", out.split("_")[1]]) == 0
    assert "is revoked" in capsys.readouterr().out
    assert (home / ".local/share/perpscope/api-keys.json").is_file()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["revoke"], "wants the id"),
        (["revoke", "0a1b2c3d"], "key-unknown"),
        (["add", "name"], "one too many"),
        (["add", "--scope", "everything"], "--scope"),
        (["add", "--label", "a\nb"], "--label"),
        (["add", "--label", "x" * 65], "--label"),
        (["add", "--days", "0"], "--days"),
    ],
    ids=lambda words: words if isinstance(words, str) else "-".join(words)[:24],
)
def test_a_wrong_word_makes_no_key(home: Path, capsys: Captured, words: list[str], why: str) -> None:
    """Usage errors say what is wrong, and nothing was done."""
    assert run(["keys", *words]) == 2
    assert why in capsys.readouterr().err
    assert not (home / ".local/share/perpscope/api-keys.json").exists()


def test_the_file_of_keys_may_be_elsewhere(home: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several faces of several machines read one."""
    monkeypatch.setenv("PERPSCOPE_WEB__KEYS", str(home / "shared.json"))
    told(["add"], capsys)
    assert api_keys.of(Web(keys=str(home / "shared.json"))).has_any
