"""The engine: continuous batching of many versions' requests over one resident base."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from tuneloop.kit.errors import InvalidInput, TuneloopError, Unavailable
from tuneloop.registry.contract import CONTEXT_TOKENS, Contract
from tuneloop.registry.templates import Message
from tuneloop_workers import llama
from tuneloop_workers.llama import Logits, Rows
from tuneloop_workers.serving import servable
from tuneloop_workers.serving.adapters import AdapterCache
from tuneloop_workers.serving.answer import Delta, EngineAnswer
from tuneloop_workers.serving.decoding import Decoder, Options
from tuneloop_workers.serving.generation import Generation
from tuneloop_workers.serving.labels import LabelScoring
from tuneloop_workers.serving.prefix import Prefix, PrefixCache
from tuneloop_workers.serving.request_state import Finished, Run
from tuneloop_workers.serving.servable import AdapterKey, LoraFile, Servable

OnDelta = Callable[[Delta], None]


class Engine:
    """Answers requests of any versions of one base; every method belongs to the thread that built it.

    One decode serves one adapter set; adapter sets with work take turns, and new requests are admitted in turns too,
    so a busy version can't starve the others. `context_tokens` is the memory of all sequences together, `batch_tokens`
    the most tokens of one decode: it bounds how long a long prompt delays the others' next token. `exact`: attention in
    F32, for comparison with other implementations.
    """

    def __init__(
        self,
        base_gguf: Path,
        *,
        threads: int,
        context_tokens: int = CONTEXT_TOKENS,
        sequences: int = 16,
        batch_tokens: int = 384,
        adapters: int = 64,
        prefixes: int = 16,
        exact: bool = False,
    ) -> None:
        self.model = llama.Model(base_gguf)
        self.context_tokens = min(context_tokens, self.model.context_length)
        self._context = self.model.context(
            threads=threads,
            cells=context_tokens,
            sequences=sequences + prefixes,
            batch_tokens=batch_tokens,
            exact=exact,
        )
        self._cells = context_tokens
        self._batch_tokens = batch_tokens
        self._adapters = AdapterCache(self.model, self._context, adapters)
        self._prefixes = PrefixCache(range(sequences, sequences + prefixes), self._context.cut)
        self._free = deque(range(sequences))
        self._waiting: dict[AdapterKey, deque[Run]] = {}
        self._active: dict[AdapterKey, list[Run]] = {}
        self._tickets = count(1)
        self.identity = llama.identity()

    @property
    def unfinished(self) -> int:
        """Requests that are not finished yet."""
        return sum(map(len, self._waiting.values())) + sum(map(len, self._active.values()))

    def prepare(self, contract: Contract, adapters: Sequence[LoraFile]) -> Servable:
        """Raises InvalidInput when the prompt prefix leaves no room or labels can't be told apart."""
        version = servable.prepare(self.model, contract, adapters)
        self._check_room(len(version.prefix))
        return version

    def warm(self, version: Servable) -> int:
        """Loads the adapters and evaluates the prompt prefix, so that the first request waits for neither."""
        return self._queue(version, (), None)

    def submit(
        self,
        version: Servable,
        messages: Sequence[Message],
        options: Options | None = None,
        on_delta: OnDelta | None = None,
    ) -> int:
        """Queues a request and returns its ticket. Raises InvalidInput when the prompt is longer than the context."""
        suffix = version.suffix(self.model, messages)
        prompt = len(version.prefix) + len(suffix)
        self._check_room(prompt)
        return self._queue(version, suffix, self._decoder(version, options or version.options(), prompt, on_delta))

    def step(self) -> list[Finished]:
        """One decode for one adapter set, and whatever it completed."""
        failed = self._admit()
        if not self._active:
            return failed
        key = next(iter(self._active))
        runs = self._active[key] = self._active.pop(key)
        try:
            return failed + self._turn(runs)
        except Unavailable as problem:
            return failed + self._abandon(problem)

    def run(self) -> list[Finished]:
        """Steps until nothing is left to do."""
        finished: list[Finished] = []
        while self.unfinished:
            finished += self.step()
        return finished

    def cancel(self, ticket: int) -> None:
        """Drops a request; one that is finished or unknown is ignored."""
        for runs in list(self._active.values()):
            for run in runs:
                if run.ticket == ticket:
                    return self._release(run)
        for key, queue in list(self._waiting.items()):
            self._waiting[key] = deque(run for run in queue if run.ticket != ticket)
            if not self._waiting[key]:
                del self._waiting[key]
        return None

    def reset(self) -> None:
        """Empties the memory, so that the next requests are computed exactly as in a fresh engine.

        Rounding depends on where in memory tokens lie; a repeated evaluation starts from the same place.
        """
        if self.unfinished:
            raise RuntimeError("an engine with unfinished requests can't be reset")
        self._prefixes.clear()
        self._context.clear()

    def close(self) -> None:
        self._adapters.close()
        self._context.close()
        self.model.close()

    def _check_room(self, prompt_tokens: int) -> None:
        if prompt_tokens >= self.context_tokens:
            raise InvalidInput(
                f"the prompt has {prompt_tokens} tokens, but the context holds {self.context_tokens} "
                "including the answer; shorten it",
                prompt_tokens=prompt_tokens,
                context_tokens=self.context_tokens,
            )

    def _decoder(self, version: Servable, options: Options, prompt: int, on_delta: OnDelta | None) -> Decoder:
        room = self.context_tokens - prompt
        if version.first_choice is None:
            return Generation(self.model, version.end, options, room, on_delta)
        if version.first_choice.longest_path > room:
            self._check_room(prompt + version.first_choice.longest_path)
        return LabelScoring(version.labels, version.first_choice)

    def _queue(self, version: Servable, suffix: tuple[int, ...], decoder: Decoder | None) -> int:
        run = Run(next(self._tickets), version, suffix, decoder, time.perf_counter())
        self._waiting.setdefault(version.key, deque()).append(run)
        return run.ticket

    def _admit(self) -> list[Finished]:
        """Moves waiting requests into free sequences, one adapter set after the other."""
        failed: list[Finished] = []
        while self._waiting and self._free:
            key, queue = next(iter(self._waiting.items()))
            run = queue[0]
            try:
                self._adapters.require(run.version.adapters, self._adapters_in_use())
            except TuneloopError as problem:
                failed.append(Finished(run.ticket, problem))
            else:
                if not self._place(run):
                    break
                self._active.setdefault(key, []).append(run)
            queue.popleft()
            del self._waiting[key]
            if queue:
                self._waiting[key] = queue
        return failed

    def _place(self, run: Run) -> bool:
        """Finds memory for a request, dropping unused prefixes; False when it has to wait."""
        prefix = self._prefixes.find(run.version) if self._prefixes.enabled else None
        if prefix:
            prefix.users += 1
            run.prefix = prefix
        while self._cells_free() < run.cells:
            if not self._prefixes.evict():
                if prefix:
                    prefix.users -= 1
                    run.prefix = None
                return False
        if not prefix and self._prefixes.enabled and (prefix := self._prefixes.add(run.version)):
            prefix.users += 1
            run.prefix = prefix
        run.sequence = self._free.popleft()
        if prefix:
            run.position = prefix.cells
            run.pending = run.suffix
            if prefix.ready:
                self._context.copy(prefix.sequence, run.sequence)
        else:
            run.pending = run.version.prefix + run.suffix
        run.pending += run.decoder.opening if run.decoder else ()
        return True

    def _cells_free(self) -> int:
        runs = sum(run.cells for runs in self._active.values() for run in runs)
        return self._cells - runs - sum(prefix.cells for prefix in self._prefixes)

    def _adapters_in_use(self) -> set[str]:
        return {sha256 for key in self._active for sha256, _ in key}

    def _turn(self, runs: list[Run]) -> list[Finished]:
        self._adapters.apply(runs[0].version.adapters)
        building = next((run.prefix for run in runs if run.prefix and not run.prefix.ready), None)
        if building:
            self._extend(building, runs)
        finished = [run for run in runs if run.decoder is None and (run.prefix is None or run.prefix.ready)]
        if not building:
            finished += self._decode([run for run in runs if run.decoder])
        for run in finished:
            self._release(run)
        return [Finished(run.ticket, self._outcome(run)) for run in finished]

    def _extend(self, prefix: Prefix, runs: list[Run]) -> None:
        """Prefixes are evaluated alone, so their values do not depend on who else is asking."""
        part = prefix.servable.prefix[prefix.evaluated : prefix.evaluated + self._batch_tokens]
        self._context.decode([Rows(prefix.sequence, prefix.evaluated, part, last_logits=False)])
        prefix.evaluated += len(part)
        if prefix.ready:
            for run in runs:
                if run.prefix is prefix:
                    self._context.copy(prefix.sequence, run.sequence)

    def _decode(self, runs: list[Run]) -> list[Run]:
        """One batch: next tokens of answers first, then as much of new prompts as fits. Returns the completed."""
        rows: list[Rows] = []
        room = self._batch_tokens
        for run in sorted(runs, key=lambda run: run.position < run.prompt_tokens):
            part = run.pending[:room]
            if part:
                rows.append(Rows(run.sequence, run.position, part, last_logits=len(part) == len(run.pending)))
                run.pending = run.pending[len(part) :]
                run.position += len(part)
                room -= len(part)
        logits = self._context.decode(rows) if rows else {}
        return [run for run in runs if run.sequence in logits and not self._advance(run, logits[run.sequence])]

    def _advance(self, run: Run, logits: Logits) -> bool:
        """Takes the decision of one request; False when its answer is complete."""
        move = run.decoder.advance(logits) if run.decoder else None
        if move is None:
            return False
        keep = run.prompt_tokens + move.keep
        if keep < run.position:
            self._context.cut(run.sequence, keep)
        run.position, run.pending = keep, move.tokens
        return True

    def _outcome(self, run: Run) -> EngineAnswer | None:
        if run.decoder is None:
            return None
        return run.decoder.answer(run.prompt_tokens, (time.perf_counter() - run.started) * 1000)

    def _release(self, run: Run) -> None:
        key = run.version.key
        self._active[key].remove(run)
        if not self._active[key]:
            del self._active[key]
        self._context.cut(run.sequence)
        self._free.append(run.sequence)
        if run.prefix:
            run.prefix.users -= 1

    def _abandon(self, problem: TuneloopError) -> list[Finished]:
        """After a failed decode the memory can't be trusted: every request in it fails, the next start afresh."""
        runs = [run for runs in self._active.values() for run in runs]
        for run in runs:
            self._release(run)
        self._prefixes.clear()
        self._context.clear()
        return [Finished(run.ticket, problem) for run in runs]
