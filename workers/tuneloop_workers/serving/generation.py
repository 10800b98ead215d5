"""Generation: greedy or sampled text with the log-probability of every token before sampling."""

from collections.abc import Callable

import numpy as np

from tuneloop_workers.llama import Logits, Model
from tuneloop_workers.serving.answer import Alternative, Delta, EngineAnswer, FinishReason, TokenLogprob
from tuneloop_workers.serving.decoding import Move, Options
from tuneloop_workers.serving.text import TextStream


class Generation:
    """One text in the making, of at most `room` tokens; `on_delta` is called as parts of it become final."""

    def __init__(
        self, model: Model, end: int, options: Options, room: int, on_delta: Callable[[Delta], None] | None = None
    ) -> None:
        self._model = model
        self._end = end
        self._options = options
        self._limit = min(options.max_tokens, room)
        self._on_delta = on_delta
        self._random = np.random.default_rng(options.seed)
        self._stream = TextStream(options.stop)
        self._text = ""
        self._tokens: list[TokenLogprob] = []
        self._reported = 0
        self._end_logprob = 0.0
        self._margin = 1.0
        self._reason: FinishReason = "length"

    @property
    def opening(self) -> tuple[int, ...]:
        return ()

    @property
    def longest(self) -> int:
        return self._limit

    def advance(self, logits: Logits) -> Move | None:
        best = int(logits.argmax())
        normaliser = _log_sum_exp(logits, best)
        token = best if self._options.temperature == 0 else self._sample(logits, best)
        self._margin = min(self._margin, _margin(logits, best, normaliser))
        logprob = float(logits[token]) - normaliser
        if token == self._end or self._model.is_end(token):
            self._end_logprob = logprob
            self._finish("stop")
            return None
        piece = self._model.piece(token)
        alternatives = self._alternatives(logits, normaliser)
        self._tokens.append(TokenLogprob(token, piece.decode("utf-8", "replace"), logprob, alternatives))
        self._report(self._stream.push(piece))
        if self._stream.stopped or len(self._tokens) == self._limit:
            self._finish("stop" if self._stream.stopped else "length")
            return None
        return Move(len(self._tokens) - 1, (token,))

    def answer(self, prompt_tokens: int, latency_ms: float) -> EngineAnswer:
        logprobs = [token.logprob for token in self._tokens] or [self._end_logprob]
        return EngineAnswer(
            text=self._text,
            confidence=float(np.exp(np.mean(logprobs))),
            margin=self._margin,
            probabilities=None,
            tokens=tuple(self._tokens),
            finish_reason=self._reason,
            prompt_tokens=prompt_tokens,
            completion_tokens=len(self._tokens),
            latency_ms=latency_ms,
            min_logprob=min(logprobs),
        )

    def _finish(self, reason: FinishReason) -> None:
        self._reason = reason
        self._report(self._stream.finish(), last=True)

    def _report(self, text: str, last: bool = False) -> None:
        self._text += text
        if self._on_delta and (text or (last and self._reported < len(self._tokens))):
            self._on_delta(Delta(text, tuple(self._tokens[self._reported :])))
            self._reported = len(self._tokens)

    def _sample(self, logits: Logits, best: int) -> int:
        weights = np.exp((logits - logits[best]).astype(np.float64) / self._options.temperature).cumsum()
        return int(np.searchsorted(weights, self._random.random() * weights[-1], side="right"))

    def _alternatives(self, logits: Logits, normaliser: float) -> tuple[Alternative, ...]:
        if not self._options.alternatives:
            return ()
        likeliest = np.argpartition(-logits, self._options.alternatives - 1)[: self._options.alternatives]
        return tuple(
            Alternative(self._model.piece(token).decode("utf-8", "replace"), float(logits[token]) - normaliser)
            for token in sorted(likeliest.tolist(), key=lambda token: -logits[token])
        )


def _log_sum_exp(logits: Logits, best: int) -> float:
    highest = logits[best]
    return float(highest) + float(np.log(np.exp(logits - highest).sum(dtype=np.float64)))


def _margin(logits: Logits, best: int, normaliser: float) -> float:
    second = max(logits[:best].max(initial=-np.inf), logits[best + 1 :].max(initial=-np.inf))
    return float(np.exp(logits[best] - normaliser) - np.exp(second - normaliser))
