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
PATIENCE = 64


class Engine:
    """Answers requests of any versions of one base; every method belongs to the thread that built it.

    One decode serves one adapter set; adapter sets with work take turns, and new requests are admitted in turns too,
    so a busy version can't starve the others. Memory is taken as it is used: when it runs out, the youngest long answer
    gives its own back and goes on later, and the oldest request always goes on, so something is always finished. Short
    work goes first: it keeps an eighth of the sequences, and long answers make room for it.

    `context_tokens` is the memory of all sequences together, `batch_tokens` the most tokens of one decode: it bounds
    how long a long prompt delays the others' next token. `exact`: attention in F32, for comparison with other
    implementations.
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
        self._kept_for_short = sequences // 8
        self._waiting: dict[bool, dict[AdapterKey, deque[Run]]] = {True: {}, False: {}}
        self._active: dict[AdapterKey, list[Run]] = {}
        self._tickets = count(1)
        self.identity = llama.identity()

    @property
    def unfinished(self) -> int:
        """Requests that are not finished yet."""
        lines = [queue for line in self._waiting.values() for queue in line.values()]
        return sum(map(len, lines)) + sum(map(len, self._active.values()))

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
        self._make_room()
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
        for line in self._waiting.values():
            for run in [run for queue in line.values() for run in queue if run.ticket == ticket]:
                self._leave_line(run)
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
        run.behind = decoder.opening if decoder else ()
        self._waiting[run.short].setdefault(version.key, deque()).append(run)
        return run.ticket

    def _admit(self) -> list[Finished]:
        """Moves waiting requests into free sequences: short ones, then long ones, one adapter set after the other.

        One that finds no room lets others pass, but not for ever.
        """
        failed: list[Finished] = []
        turns = ((False, self._is_overdue), (True, self._finds_sequence), (False, self._may_begin))
        for short, may_enter in turns:
            tried: set[AdapterKey] = set()
            while (key := next((key for key in self._waiting[short] if key not in tried), None)) is not None:
                run = self._waiting[short][key][0]
                try:
                    if not may_enter(run) or not self._enters(run):
                        tried.add(key)
                        continue
                except TuneloopError as problem:
                    failed.append(Finished(run.ticket, problem))
                self._leave_line(run)
        return failed

    def _enters(self, run: Run) -> bool:
        """Raises what is wrong with its adapters."""
        self._adapters.require(run.version.adapters, self._adapters_in_use())
        if not self._place(run):
            run.passed += 1
            return False
        self._active.setdefault(run.version.key, []).append(run)
        return True

    def _leave_line(self, run: Run) -> None:
        """Its adapter set waits behind the others again."""
        line = self._waiting[run.short]
        queue = line.pop(run.version.key)
        queue.remove(run)
        if queue:
            line[run.version.key] = queue

    def _is_overdue(self, run: Run) -> bool:
        """A long one that short ones kept out of a sequence for too long."""
        return bool(self._free) and run.waited > PATIENCE

    def _finds_sequence(self, _run: Run) -> bool:
        return bool(self._free)

    def _may_begin(self, run: Run) -> bool:
        if len(self._free) <= self._kept_for_short:
            run.waited += 1
            return False
        heads = (queue[0] for queue in self._waiting[False].values())
        overdue = min((head.ticket for head in heads if head.passed > PATIENCE), default=run.ticket)
        return run.ticket <= overdue

    def _place(self, run: Run) -> bool:
        """Finds memory for a request, dropping unused prefixes; False when it has to wait."""
        prefix = self._prefixes.find(run.version) if self._prefixes.enabled else None
        if prefix:
            prefix.users += 1
            run.prefix = prefix
        if not self._room_for(run):
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
        run.pending += run.behind
        return True

    def _room_for(self, run: Run) -> bool:
        """Whether a request can begin. For a short one, long answers but the oldest request give way."""
        while self._cells_free() < run.cells_to_begin:
            if not self._prefixes.evict() and not (run.short and self._interrupt(long_only=True)):
                return False
        return True

    def _make_room(self) -> None:
        """Answers grow with every decode; the oldest request fits in any case, once it is alone."""
        while self._cells_free() < 0 and (self._prefixes.evict() or self._interrupt(long_only=False)):
            pass

    def _interrupt(self, *, long_only: bool) -> bool:
        """The youngest long answer, or else the youngest request, gives its memory back. Never the oldest."""
        runs = sorted((run for runs in self._active.values() for run in runs), key=lambda run: (run.short, -run.ticket))
        oldest = min((run.ticket for run in runs), default=0)
        for run in runs:
            if run.ticket != oldest and run.decoder and not (long_only and run.short):
                self._release(run)
                run.give_up_memory()
                self._waiting[run.short].setdefault(run.version.key, deque()).appendleft(run)
                return True
        return False

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
        run.behind = run.behind[: move.keep] + move.tokens
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
