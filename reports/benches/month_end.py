"""Time and memory of reports: one of each size, and a month's end of many on several renderers.

    python reports/benches/month_end.py [--reports 1000] [--renderers 2]

The month's end renders every report and keeps nothing but its length: database and mail are not in these figures.
"""

import argparse
import json
import os
import platform
import resource
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.reports.sample import category, content, model

from tuneloop_reports.content import ReportContent
from tuneloop_reports.document import Medium, write_html
from tuneloop_reports.render.renderer import Renderer
from tuneloop_reports.style import Language, Style

SIZES = {
    "one model, 9 categories": content,
    "one model, 40 categories": lambda: content(
        model(categories=tuple(category(f"category {place}", (30, 41), (30, 40)) for place in range(40)))
    ),
    "five models": lambda: content(*(model(slug=f"model-{place}") for place in range(5))),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=1000)
    parser.add_argument("--renderers", type=int, default=len(os.sched_getaffinity(0)))
    asked = parser.parse_args()
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    print(f"{platform.machine()}, {cores} cores, load {load:.1f}")
    print(json.dumps({"sizes": list(sizes())}, indent=2))
    print(json.dumps(month_end(asked.reports, asked.renderers), indent=2))


def sizes() -> Iterator[dict[str, object]]:
    """One report of each size, the second time, when the libraries are loaded."""
    renderer = Renderer()
    for name, make in SIZES.items():
        renderer.render(make())
        started = time.perf_counter()
        made = renderer.render(make())
        whole = time.perf_counter() - started
        started = time.perf_counter()
        write_html(make(), medium=Medium.BROWSER)
        yield {
            "report": name,
            "pages": made.pages,
            "kilobytes": len(made.pdf) // 1024,
            "seconds": round(whole, 2),
            "page in the browser, seconds": round(time.perf_counter() - started, 2),
            "peak memory of the child, MiB": made.memory >> 20,
        }
    renderer.close()


def month_end(reports: int, renderers: int) -> dict[str, object]:
    """Each report differs, as those of different clients do."""
    waiting: Queue[ReportContent] = Queue()
    for number in range(reports):
        language = Language.GERMAN if number % 2 else Language.ENGLISH
        waiting.put(content(client=f"Client {number}", style=Style(language=language)))
    failures: list[str] = []
    peaks: list[int] = []

    def work() -> None:
        renderer = Renderer()
        try:
            while True:
                made = renderer.render(waiting.get_nowait())
                peaks.append(made.memory)
        except Empty:
            return
        except Exception as error:
            failures.append(str(error))
            raise
        finally:
            renderer.close()

    started, processor = time.perf_counter(), _processor()
    threads = [threading.Thread(target=work) for _ in range(renderers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    return {
        "reports": reports,
        "renderers": renderers,
        "failures": failures,
        "minutes": round(seconds / 60, 1),
        "seconds per report": round(seconds / reports, 2),
        "processor seconds per report": round((_processor() - processor) / reports, 2),
        "peak memory of a child, MiB": max(peaks) >> 20,
    }


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
