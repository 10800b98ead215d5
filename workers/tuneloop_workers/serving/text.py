"""Token bytes to text as it is generated: whole characters only, nothing that may turn out to be a stop string."""

import codecs


class TextStream:
    """Yields final text: stripped of surrounding white space, cut before the first stop string."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._stop = tuple(filter(None, stop))
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._begun = False
        self.stopped = False

    def push(self, piece: bytes) -> str:
        """Text that is final now; sets `stopped` when a stop string was completed."""
        self._held += self._decoder.decode(piece)
        found = [at for stop in self._stop if (at := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = self._held[: min(found)]
            return self._release(len(self._held))
        return self._release(len(self._held) - self._possible_stop())

    def finish(self) -> str:
        """The rest, once no more tokens come."""
        if not self.stopped:
            self._held += self._decoder.decode(b"", final=True)
        return self._release(len(self._held))

    def _release(self, end: int) -> str:
        ready = self._held[:end].rstrip()
        self._held = self._held[len(ready) :]
        if not self._begun:
            ready = ready.lstrip()
            self._begun = bool(ready)
        return ready

    def _possible_stop(self) -> int:
        """Length of the longest end of the held text that begins a stop string."""
        for size in range(min(len(self._held), max(map(len, self._stop), default=1) - 1), 0, -1):
            if any(stop.startswith(self._held[-size:]) for stop in self._stop):
                return size
        return 0
