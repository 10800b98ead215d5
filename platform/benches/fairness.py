"""What one agency's flood does to another one that asks now and then, on a running installation with a tiny base.

    python platform/benches/fairness.py [--clients 64] [--requests 200]

The flood is a process of its own on this machine, so with few cores it takes processor time from what it floods: quote
the ratios, with the processor.
"""

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.failures.flood import another_agency, flooding, latencies, p50, p99
from tests.failures.installation import faulty


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clients", type=int, default=64)
    arguments.add_argument("--requests", type=int, default=200)
    asked = arguments.parse_args()
    with TemporaryDirectory(prefix="tuneloop-fair-") as folder, faulty(Path(folder)) as site:
        quiet = another_agency(site)
        latencies(quiet)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}: quote ratios, not times", flush=True)
        alone = latencies(quiet, asked.requests)
        with flooding(site, asked.clients) as unshared:
            time.sleep(10)
        with flooding(site, asked.clients) as shared:
            beside = latencies(quiet, asked.requests)
        print(f"alone:           p50 {1000 * p50(alone):6.0f} ms, p99 {1000 * p99(alone):6.0f} ms")
        print(f"beside a flood:  p50 {1000 * p50(beside):6.0f} ms, p99 {1000 * p99(beside):6.0f} ms")
        print(f"times as long:   p50 {p50(beside) / p50(alone):6.1f},    p99 {p99(beside) / p99(alone):6.1f}")
        lone, both = unshared.per_second, shared.per_second
        print(f"the flood, {asked.clients} clients: {lone:.0f}/s by itself, {both:.0f}/s beside the other")


if __name__ == "__main__":
    main()
