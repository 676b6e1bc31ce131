"""Whether a container is well, for its HEALTHCHECK: `healthcheck.py face` or `healthcheck.py heart`; exit code 0 or 1.

A face answers /healthz on this machine, by TLS where it has a certificate. A heart reports to its store each second.
Python's own library alone: the image has no curl.
"""

import http.client
import json
import os
import ssl
import subprocess
import sys

TIMEOUT_S = 8.0


def face() -> str | None:
    """What is wrong with the face; None if it answers."""
    port = int(os.environ.get("PORT") or os.environ.get("PERPSCOPE_WEB__PORT") or 8000)
    connection: http.client.HTTPConnection
    if os.environ.get("PERPSCOPE_WEB__CERTIFICATE"):
        own = ssl.create_default_context()
        own.check_hostname, own.verify_mode = False, ssl.CERT_NONE  # it is asked on its own machine
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=own)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except OSError as error:
        return f"no answer at port {port}: {error}"
    finally:
        connection.close()
    return None if status == http.client.OK else f"port {port} answers {status}"


def heart() -> str | None:
    """What is wrong with the heart; None if it has reported within the last 15 s."""
    words = ["perpscope", "status", "--json"]
    told = subprocess.run(words, capture_output=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 -- the image's own
    if told.returncode:
        return told.stderr.decode("utf-8", "replace").strip()
    line = json.loads(told.stdout)["heart"]
    return None if line and line["is_running"] else "the heart has not reported to its store for 15 s"


def main() -> int:
    """Look at what is named; 1 and a line on stderr if it is not well."""
    try:
        wrong = {"face": face, "heart": heart}[sys.argv[1]]()
    except (IndexError, KeyError):
        wrong = "healthcheck.py face or healthcheck.py heart"
    except (ValueError, OSError, subprocess.TimeoutExpired) as error:
        wrong = str(error)
    if wrong:
        print(wrong, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
