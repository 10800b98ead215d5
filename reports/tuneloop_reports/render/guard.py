"""Shuts what a renderer never needs, for Python code: sockets, programs, writing outside its own scratch folder."""

import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
READABLE = (
    "/usr/share/fonts",
    "/usr/share/zoneinfo",
    "/usr/share/fontconfig",
    "/etc/fonts",
    "/usr/lib",
    "/lib",
    "/proc/self",
)
REFUSED = (
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.system",
    "os.fork",
    "os.link",
    "os.symlink",
    "shutil.copyfile",
    "urllib.Request",
)


def shut_the_doors() -> None:
    """For the rest of the process. Fonts are unpacked into the system's folder for temporary files and nowhere else."""
    roots = [PACKAGE, PACKAGE.parents[1], Path(sys.prefix), Path(sys.base_prefix), Path(sysconfig.get_path("stdlib"))]
    readable = (*(os.path.realpath(root) for root in roots), *READABLE)
    scratch = os.path.realpath(tempfile.gettempdir())

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in REFUSED and not (event == "urllib.Request" and str(arguments[0]).startswith("data:")):
            raise PermissionError(f"a renderer may not {event}")
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            mode = arguments[1] or "r"
            writes = any(letter in str(mode) for letter in "wax+") or bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
            if not path.startswith((scratch,) if writes else (scratch, os.devnull, *readable)):
                raise PermissionError(f"a renderer may not open {path}")

    sys.addaudithook(watch)
