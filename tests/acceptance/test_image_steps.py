"""The steps of the Dockerfile, run in an empty folder without Docker, and what comes of them run as the image would."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.acceptance.image_steps import ROOT, Instruction, environment, stages

#: Instructions that do something, and what this test does of them.
DONE = {"COPY", "RUN", "WORKDIR", "ENV"}
#: Of the last stage: done by hand here, since it is about the machine and not about the program.
LEFT = ("groupadd", "useradd", "install --directory")
PLACES = ("/build", "/opt/perpscope", "/data")


class Image:
    """A folder in which the image's places lie.

    Args:
        root: empty.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    def placed(self, text: str) -> str:
        """Words of the Dockerfile with its places moved into the folder."""
        for place in PLACES:
            text = text.replace(place, f"{self.root}{place}")
        return text

    def build(self, stage: list[Instruction]) -> None:
        """Run the instructions of the first stage."""
        folder = self.root
        told = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PERPSCOPE_"))} | environment(stage)
        told["PATH"] = f"{Path(sys.executable).resolve().parent}{os.pathsep}{told['PATH']}"
        for one in stage:
            if one.name == "WORKDIR":
                folder = Path(self.placed(one.text))
                folder.mkdir(parents=True)
            elif one.name == "COPY":
                *sources, target = one.text.split()
                for source in sources:
                    self.copy(source, folder / target)
            elif one.name == "RUN":
                done = subprocess.run(
                    ["sh", "-c", self.placed(one.text)],
                    cwd=folder, env=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                )  # fmt: skip
                assert done.returncode == 0, f"{one.text}\n{done.stdout[-2000:]}"

    def copy(self, source: str, target: Path) -> None:
        """Copy what the context holds."""
        if (ROOT / source).is_dir():
            out = [
                line.removeprefix("**/")
                for line in (ROOT / ".dockerignore").read_text("utf-8").split()
                if "**/" in line
            ]
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns(*out))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, target / source if target.is_dir() else target)

    def environment(self, **more: str) -> dict[str, str]:
        """What a container of it knows, and nothing of this machine."""
        told = {name: self.placed(value) for name, value in environment(stages()[-1]).items()}
        told["PATH"] = told["PATH"].replace("$PATH", os.environ["PATH"])
        return {**told, **more}

    def run(self, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run a program of the image to its end."""
        with self.start(*words, **more) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def start(self, *words: str, **more: str) -> "subprocess.Popen[str]":
        """Start a program of the image, as whoever this is: Python itself may lie where no other user may go."""
        told = self.environment(**more)
        program = shutil.which(words[0], path=told["PATH"])
        assert program is not None
        return subprocess.Popen(
            [program, *words[1:]],
            cwd=self.root / "data", env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


def test_every_step_is_one_this_test_takes() -> None:
    """An instruction that is added to the Dockerfile is run here too, or this says so. Keeps S0-09."""
    build, image = stages()
    assert {one.name for one in build} == {"FROM", *DONE}
    for one in build:
        if one.name == "RUN":
            assert any(place in one.text for place in PLACES) or "pip wheel" in one.text
    ran = next(one.text for one in image if one.name == "RUN").split(" && ")
    assert ran[0].split()[:4] == ["python", "-m", "pip", "uninstall"]
    assert all(step.strip().startswith(LEFT) for step in ran[1:])
    copied = [one.text.split()[-1] for one in image if one.name == "COPY"]
    assert copied == ["/opt/perpscope", "/opt/perpscope/healthcheck.py"]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image's places, made by its own steps."""
    made = Image(tmp_path_factory.mktemp("image"))
    build, last = stages()
    made.build(build)
    made.copy("deploy/healthcheck.py", made.root / "opt/perpscope/healthcheck.py")
    shutil.rmtree(made.root / "build")
    for place in ("data", "data/run"):
        (made.root / place).mkdir(mode=0o700)
    assert last[0].name == "FROM"
    return made


def answered(url: str, key: str | None = None) -> int:
    """The status of an answer."""
    request = urllib.request.Request(url, headers={} if key is None else {"X-API-Key": key})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_what_the_steps_make_serves_as_the_image_would(image: Image) -> None:
    """From a wheel, in the image's environment: key, face, health, end. Keeps S0-09. Keeps S3-30."""
    packages = image.run("python", "-c", "import importlib.util as u; print(*map(bool, map(u.find_spec, "
                         "['pip', 'setuptools', 'redis', 'obstore', 'pyarrow', 'perpscope'])))")  # fmt: skip
    assert packages.stdout.split() == ["False", "False", "True", "True", "True", "True"], packages.stderr
    refused = image.run("perpscope", "serve", "--no-open", PORT="0")
    assert refused.returncode == 2
    assert "exposed-no-key" in refused.stderr
    key = re.findall(r"pps_\w+", image.run("perpscope", "keys", "add", "--label", "test").stdout)[0]
    face = image.start("perpscope", "serve", "--no-open", PORT="0", PERPSCOPE_WEB__BEHIND_PROXY="true")
    try:
        assert face.stdout is not None
        url = face.stdout.readline().strip()
        port = url.rpartition(":")[2]
        assert port.isdigit(), face.communicate(timeout=10)
        well = image.run("python", str(image.root / "opt/perpscope/healthcheck.py"), "face", PORT=port)
        assert (well.returncode, well.stderr) == (0, "")
        ill = image.run("python", str(image.root / "opt/perpscope/healthcheck.py"), "face", PORT="9")
        assert ill.returncode == 1
        assert answered(url) == 200
        assert answered(f"{url}/static/licenses.txt") == 200, "the image has no dashboard"
        assert answered(f"{url}/api/v1/status") == 401
        assert answered(f"{url}/api/v1/status", key) == 200
        began = time.monotonic()
        face.send_signal(signal.SIGTERM)
        assert face.wait(15) in {0, -signal.SIGTERM}
        assert time.monotonic() - began < 5.0
    finally:
        face.kill()
        face.communicate()


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_heart_of_the_image_is_well_while_it_collects(image: Image) -> None:
    """A demo collects into the volume, its healthcheck says so, and says so when it has ended. Keeps S4-24."""
    check = (str(image.root / "opt/perpscope/healthcheck.py"), "heart")
    database = str(image.root / "data/demo.db")
    heart = image.start("perpscope", "collect", "--mock", "--db", database, "--duration", "400")
    try:
        deadline = time.monotonic() + 240.0
        while image.run("python", *check, PERPSCOPE_DATABASE__PATH=database).returncode:
            assert time.monotonic() < deadline
            assert heart.poll() is None, heart.communicate()
        heart.send_signal(signal.SIGTERM)
        assert heart.wait(15) in {0, 130, 143}
        ended = image.run("python", *check, PERPSCOPE_DATABASE__PATH=database)
        assert ended.returncode == 1
        assert "not reported" in ended.stderr
    finally:
        heart.kill()
        heart.communicate()
