"""`monosome report`: the page of a training run, written once, or served on this machine while it trains."""

import shlex
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

from monosome.commands.output import print_json
from monosome.config import read_recipe
from monosome.errors import DataError
from monosome.evaluate.page import Report, html, write_report
from monosome.evaluate.training import page
from monosome.train.checkpoint import latest, load_manifest
from monosome.train.folder import RECIPE
from monosome.train.journal import FILE, read_journal

HOST = "127.0.0.1"
"""Nothing but this machine may ask."""
REFRESH_SECONDS = 10
"""How often an open page asks again; a step that is logged is a line, and a run logs every few seconds at most."""


def run(run: Path, *, out: Path | None, serve: bool, port: int, json: bool) -> None:
    """Write the page of a run, or serve it until Ctrl-C."""
    command = shlex.join(["monosome", "report", str(run)])
    if serve:
        _serve(run, port, command)
        return
    report = made(run, command)
    written = write_report(report, out or run / "report")
    if json:
        print_json({"report": str(written), **report.data})
    else:
        print(f"{report.title}: {report.summary}\n\nopen: {written}")


def made(run: Path, command: str) -> Report:
    """The report on a run as it stands. Raises DataError where the folder holds none."""
    if not (run / RECIPE).is_file() or not (run / FILE).is_file():
        raise DataError(f"{run} is no training run: it has no {RECIPE} and {FILE}", "give the folder of a run")
    newest = latest(run / "checkpoints")[0]
    fingerprint = load_manifest(newest).fingerprint if newest else "not saved yet"
    return page(run.resolve().name, read_journal(run), read_recipe(str(run / RECIPE)), fingerprint, command)


def _serve(run: Path, port: int, command: str) -> None:
    made(run, command)  # a folder that holds no run is refused before anything is opened
    with ThreadingHTTPServer((HOST, port), partial(_Pages, _Live(run, command))) as server:
        print(f"http://{HOST}:{server.server_port}  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped; the run goes on")


class _Live:
    """The page of a run, made again where its journal has grown."""

    def __init__(self, run: Path, command: str) -> None:
        self.run, self.command = run, command
        self._lock, self._stamp, self._text = Lock(), (0, 0.0), ""

    @property
    def text(self) -> str:
        """The page now."""
        with self._lock:
            state = (self.run / FILE).stat()
            stamp = (state.st_size, state.st_mtime)
            if stamp != self._stamp:
                self._text, self._stamp = html(made(self.run, self.command), refresh_seconds=REFRESH_SECONDS), stamp
            return self._text


class _Pages(BaseHTTPRequestHandler):
    """Answers GET and HEAD of the one page there is, and nothing else."""

    def __init__(self, live: _Live, *connection: object) -> None:
        self.live = live
        super().__init__(*connection)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """The page."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Its size."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        # A page of another site could ask under a name of its own that leads here; its name is in Host.
        name = (self.headers.get("Host") or "").rpartition(":")[0]
        if name not in (HOST, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        if self.path.partition("?")[0] not in ("/", "/report.html"):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body = self.live.text.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not said."""
