"""What must be there before others can reach the service: S1, S3, S4, S6, S7, and the certificate."""

import datetime
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import structlog
import trustme
from msgspec.structs import replace

from perpscope.app import api_keys, key_file
from perpscope.cli.main import run
from perpscope.errors import ConfigError
from perpscope.feeds.clock import wall_ns
from perpscope.settings import Web
from perpscope.web import exposure
from perpscope.web.exposure import is_loopback, refuse_exposed

SECOND = datetime.timedelta(seconds=1)
NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def web(tmp_path: Path) -> Web:
    """A service for this machine, without keys."""
    return Web(keys=str(tmp_path / "api-keys.json"))


def certified(folder: Path, *, until: datetime.datetime | None = None, first: datetime.datetime | None = None) -> Web:
    """Settings with a certificate of those dates, and a key to come in."""
    path = folder / "api-keys.json"
    key_file.add(path, label="", scopes=(), days=None, now_ns=wall_ns())
    issued = trustme.CA().issue_cert("desk.example", not_after=until, not_before=first)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    key.chmod(0o600)
    return Web(host="0.0.0.0", keys=str(path), certificate=str(certificate), certificate_key=str(key))


def code_of(act: Callable[[], object]) -> str:
    """The code of the error it raises."""
    with pytest.raises(ConfigError) as told:
        act()
    assert told.value.hint
    return told.value.code


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.1.5", False),
        ("fe80::1%eth0", False),
        ("localhost.evil.example", False),
        ("desk.example", False),
    ],
)
def test_s1_which_addresses_are_this_machines_alone(host: str, expected: bool) -> None:
    """S1: a name that has yet to be looked up is not."""
    assert is_loopback(host) is expected


def test_s1_the_default_is_this_machine_alone(web: Web) -> None:
    """S1: and needs nothing."""
    assert is_loopback(Web().host)
    refuse_exposed(web)
    refuse_exposed(replace(web, host="::1"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "desk.example"])
def test_s1_another_address_wants_a_key_and_tls(web: Web, host: str) -> None:
    """S1: both; a key that was revoked is none."""
    exposed = replace(web, host=host)
    path = api_keys.path_of(web)
    assert code_of(lambda: refuse_exposed(exposed)) == "exposed-no-key"
    assert code_of(lambda: refuse_exposed(replace(exposed, behind_proxy=True))) == "exposed-no-key"
    key, _ = key_file.add(path, label="", scopes=(), days=None, now_ns=wall_ns())
    assert code_of(lambda: refuse_exposed(exposed)) == "exposed-no-tls"
    refuse_exposed(replace(exposed, behind_proxy=True))
    key_file.revoke(path, key.id, now_ns=wall_ns())
    assert code_of(lambda: refuse_exposed(replace(exposed, behind_proxy=True))) == "exposed-no-key"


def test_s1_behind_a_proxy_loopback_is_exposed_too(web: Web) -> None:
    """S1: a proxy on this machine lets others in."""
    assert code_of(lambda: refuse_exposed(replace(web, behind_proxy=True))) == "exposed-no-key"


def test_s1_keys_that_cannot_be_trusted_stop_the_start(web: Web) -> None:
    """S1: also on loopback; later changes open nothing."""
    Path(web.keys).write_bytes(b"{}")
    Path(web.keys).chmod(0o666)
    assert code_of(lambda: refuse_exposed(web)) == "keys-open"
    Path(web.keys).chmod(0o600)
    assert code_of(lambda: refuse_exposed(web)) == "keys-file"


def test_tls_with_a_good_certificate_is_enough(tmp_path: Path) -> None:
    """S1: no proxy is needed; a group may read the key, as some systems keep them."""
    web = certified(tmp_path)
    refuse_exposed(web)
    Path(web.certificate_key).chmod(0o640)
    refuse_exposed(web)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602])
def test_s13_a_private_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """S13: whoever can read it can be us."""
    web = certified(tmp_path)
    Path(web.certificate_key).chmod(mode)
    assert code_of(lambda: refuse_exposed(web)) == "certificate-open"


def test_a_certificate_that_ended_is_refused_with_the_date(tmp_path: Path) -> None:
    """Before a browser says so; one that is not valid yet, too."""
    until = NOW - 3600 * SECOND
    web = certified(tmp_path, until=until, first=NOW - 7200 * SECOND)
    with pytest.raises(ConfigError, match=f"expired {until:%Y-%m-%d %H:%M} UTC"):
        refuse_exposed(web)
    early = certified(tmp_path, until=NOW + 7200 * SECOND, first=NOW + 3600 * SECOND)
    with pytest.raises(ConfigError, match="is not valid before"):
        refuse_exposed(early)
    distant = certified(tmp_path, until=NOW.replace(year=2060, day=1))
    refuse_exposed(distant)


def test_a_certificate_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """Missing, no PEM, truncated, or another one's key."""
    web = certified(tmp_path)
    for broken in (
        replace(web, certificate=""),
        replace(web, certificate_key=""),
        replace(web, certificate=str(tmp_path / "none.pem")),
        replace(web, certificate_key=str(tmp_path / "none.pem")),
    ):
        assert code_of(partial(refuse_exposed, broken)) == "certificate-file"
    pem = Path(web.certificate).read_text()
    other = trustme.CA().issue_cert("desk.example").private_key_pem.bytes()
    for content in ("", "no certificate", pem[:200] + pem[pem.index("-----END") :], pem.replace("MII", "AAA", 1)):
        Path(web.certificate).write_text(content)
        assert code_of(lambda: refuse_exposed(web)) == "certificate-file"
    Path(web.certificate).write_text(pem)
    Path(web.certificate_key).write_bytes(other)
    assert code_of(lambda: refuse_exposed(web)) == "certificate-file"


def test_dates_of_certificates_have_two_forms() -> None:
    """RFC 5280, 4.1.2.5: two digits of the year until 2049; and only these tags."""
    assert exposure._time(0x17, b"491231235959Z").year == 2049
    assert exposure._time(0x17, b"500101000000Z").year == 1950
    assert exposure._time(0x18, b"20500101000000Z").year == 2050
    with pytest.raises(ValueError, match="is none"):
        exposure._time(0x04, b"20500101000000Z")


@pytest.mark.parametrize(
    ("field", "entry", "code"),
    [
        ("origins", "*", "web-origins"),
        ("origins", "https://*.example", "web-origins"),
        ("origins", "https://desk.example/", "web-origins"),
        ("origins", "desk.example", "web-origins"),
        ("origins", "null", "web-origins"),
        ("origins", "https://Desk.example", "web-origins"),
        ("hosts", "*", "web-hosts"),
        ("hosts", "*.example", "web-hosts"),
        ("hosts", "https://desk.example", "web-hosts"),
        ("hosts", "", "web-hosts"),
        ("proxies", "*", "web-proxies"),
        ("proxies", "10.0.0.1/24", "web-proxies"),
        ("proxies", "nginx", "web-proxies"),
    ],
)
def test_s4_lists_hold_exact_entries(web: Web, field: str, entry: str, code: str) -> None:
    """S2, S4, S7: no stars: what is let in stands there by name."""
    assert code_of(lambda: refuse_exposed(replace(web, **{field: (entry,)}))) == code


def test_s4_good_entries_are_taken(web: Web) -> None:
    """S2, S4, S7: as the documentation shows them."""
    lists = {"origins": ("https://desk.example:8443",), "hosts": ("desk.example",), "proxies": ("10.0.0.0/24", "::1")}
    refuse_exposed(replace(web, **lists))


def test_s1_serve_says_what_is_missing_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """S1: and so does demo, before it has made a market."""
    for name in [name for name in os.environ if name.startswith(("PERPSCOPE_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ["serve", "--host", "0.0.0.0", "--port", "0", "--no-open", "--db", str(tmp_path / "none.db")]
    told = []
    for _ in range(2):
        assert run(words) == 2
        told.append(capsys.readouterr().err)
        assert run(["keys", "add"]) == 0
    assert "error exposed-no-key" in told[0]
    assert "error exposed-no-tls" in told[1]
    assert run(["demo", *words[1:6], "--headless", "--duration", "1"]) == 2
    assert "error exposed-no-tls" in capsys.readouterr().err
    assert not (tmp_path / ".local/share/perpscope/demo").exists()
    structlog.reset_defaults()
