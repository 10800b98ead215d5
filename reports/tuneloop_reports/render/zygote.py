"""The renderer's process. It loads the libraries once and forks a child for each report.

Neither has an environment, a network, or a way to write: what it needs comes through standard input, what it makes
leaves through standard output. A child has limits of memory and processor time, and dies at the deadline.
"""

import ctypes
import os
import resource
import select
import signal
import sys
import time
from typing import BinaryIO

import orjson

from tuneloop.kit.error_report import describe
from tuneloop_reports.render.glyphs import GlyphsMissing
from tuneloop_reports.render.guard import shut_the_doors
from tuneloop_reports.render.pdf import write_pdf  # loaded before forking, which is what the zygote is for
from tuneloop_reports.render.wire import RenderRequest, RenderResult, read_frame, write_frame

MEMORY = 2 << 30
PROCESSOR_SECONDS = 60
DEADLINE_SECONDS = 240.0
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


def main() -> None:
    alone = leave_the_network()
    orders, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdin, sys.stdout = open(os.devnull), open(os.devnull, "w")  # noqa: SIM115  (for the life of the process)
    write_frame(answers, orjson.dumps({"ready": True, "network": not alone}))
    while (frame := read_frame(orders)) is not None:
        write_frame(answers, _in_child(frame))


def leave_the_network() -> bool:
    """Move into a network of its own, which has no interface up; False where the kernel does not allow it."""
    libc = ctypes.CDLL(None, use_errno=True)
    return 0 in (libc.unshare(flags) for flags in (CLONE_NEWUSER | CLONE_NEWNET, CLONE_NEWNET))


def _in_child(frame: bytes) -> bytes:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "wb") as out:
            _render(frame, out)
        os._exit(0)
    os.close(writing)
    return _collect(child, reading)


def _render(frame: bytes, out: BinaryIO) -> None:
    """In the child. Whatever goes wrong becomes an answer; what can't answer dies and is reported as such."""
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        order = RenderRequest.parse(frame)
        shut_the_doors()
        started = time.perf_counter()
        pdf, pages = write_pdf(order.html, bytes.fromhex(order.identifier))
        answer = RenderResult(pdf, pages, time.perf_counter() - started, _peak(), "")
    except GlyphsMissing as lacking:
        answer = RenderResult(b"", 0, 0.0, 0, "", fonts=str(lacking))
    except Exception as error:  # noqa: BLE001  (the child's edge: the parent reports it)
        answer = RenderResult(b"", 0, 0.0, 0, describe(error))
    out.write(answer.pack())


def _collect(child: int, reading: int) -> bytes:
    """What the child wrote, or an answer that says how it died."""
    pieces: list[bytes] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    late = False
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            os.kill(child, signal.SIGKILL)
            late = True
            break
        if not (piece := os.read(reading, 1 << 20)):
            break
        pieces.append(piece)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if late:
        return RenderResult(b"", 0, 0.0, 0, f"took longer than {DEADLINE_SECONDS:.0f} s").pack()
    if status != 0:
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {status}"
        return RenderResult(b"", 0, 0.0, 0, f"the renderer ended with {how}; it may have needed too much memory").pack()
    return b"".join(pieces)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
