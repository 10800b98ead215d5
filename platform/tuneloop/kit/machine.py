"""What this machine has."""

import os


def memory_bytes() -> int:
    """Of the whole machine, whoever uses it now."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
