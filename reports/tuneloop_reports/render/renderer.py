"""The worker's side of the renderer."""

import os
import subprocess
import sys
import tempfile
import threading
from http import HTTPStatus
from pathlib import Path

import orjson

from tuneloop.kit.error_report import describe
from tuneloop.kit.errors import TuneloopError, Unavailable
from tuneloop_reports.content import ReportContent
from tuneloop_reports.document import Medium, write_html
from tuneloop_reports.render.wire import RenderRequest, RenderResult, read_frame, write_frame

FONTS_LOOKED_FOR_AGAIN = 600


class NotRendered(TuneloopError):
    """The PDF could not be made of this content; trying again would end alike."""

    code = "not_rendered"
    transient = False


class FontsMissing(TuneloopError):
    """A font must be installed before this content can be drawn. It is tried again: the report should go out then."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "fonts_missing"
    transient = True


class Renderer:
    """One process that renders one report at a time; it is started when first needed, and again if it is gone."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._ready = False
        self.has_network = True

    def begin(self) -> None:
        """Start the process where it does not run; it loads its libraries while others work."""
        with self._lock:
            self._started()

    def render(self, content: ReportContent, *, logo: bytes | None = None) -> RenderResult:
        """Raises NotRendered, FontsMissing, or Unavailable when the process can't be started."""
        try:
            html = write_html(content, medium=Medium.PAPER, logo=logo)
        except Exception as error:
            raise NotRendered(f"the report could not be rendered: {describe(error)}") from error
        with self._lock:
            answer = self._ask(RenderRequest(html, content.digest[:32]).pack())
        if answer.fonts:
            raise FontsMissing(answer.fonts, retry_after_seconds=FONTS_LOOKED_FOR_AGAIN)
        if answer.problem:
            raise NotRendered(f"the report could not be rendered: {answer.problem}")
        return answer

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.stdout.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def _ask(self, order: bytes) -> RenderResult:
        for _ in range(2):
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                write_frame(process.stdin, order)
                frame = read_frame(process.stdout)
            except BrokenPipeError:
                frame = None
            if frame is not None:
                return RenderResult.parse(frame)
            process.kill()
            self.close()
        raise Unavailable("the process that renders reports dies; look at the worker's log and memory")

    def _running(self) -> "subprocess.Popen[bytes]":
        process = self._started()
        if self._ready:
            return process
        assert process.stdout is not None
        frame = read_frame(process.stdout)
        if frame is None:
            raise Unavailable(
                "the renderer does not start; its libraries may be missing (Debian: libpango-1.0-0 libpangoft2-1.0-0 "
                "libharfbuzz-subset0)"
            )
        self.has_network, self._ready = orjson.loads(frame)["network"], True
        return process

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._ready = False
        self._scratch = tempfile.TemporaryDirectory(prefix="tuneloop-render-")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tuneloop_reports.render.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(self._scratch.name),
            cwd=self._scratch.name,
            start_new_session=True,
        )
        return self._process


def _environment(scratch: str) -> dict[str, str]:
    """What Python and fontconfig need, and nothing that is a secret."""
    paths = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry)
    return {"PATH": "/usr/bin:/bin", "HOME": scratch, "TMPDIR": scratch, "PYTHONPATH": paths, "LC_ALL": "C.UTF-8"}
