"""How much of a base's context a conversation takes, counted with the base's own tokenizer.

Long texts alone are tokenised: a text has no more tokens than bytes of UTF-8, since every tokenizer here falls back to
bytes. A base registered before its tokenizer was kept counts nothing; its trainer refuses what is too long.
"""

import unicodedata
import zlib
from collections.abc import Sequence
from uuid import UUID

from sqlmodel import Session, select
from tokenizers import Tokenizer

from tuneloop.registry.service import contract_of
from tuneloop.registry.templates import Message, Piece, render, render_answer
from tuneloop.tables import BaseModel, BaseTokenizer, RegisteredModel

_END = 1
_BEGINNING = 1
_LEADING_SPACE = len("▁".encode())
_NFC_GROWTH = 3
"""Bytes that one byte may become when a tokenizer composes its text: https://unicode.org/faq/normalization.html"""

_loaded: dict[UUID, Tokenizer] = {}
"""The tokenizer that was used last, by its base: one of a large vocabulary takes some hundred megabytes."""


class Context:
    """The context of one model: its base's limit, its contract's prompt."""

    def __init__(self, session: Session, model: RegisteredModel) -> None:
        self._session = session
        self._contract = contract_of(model)
        self._base_id = model.base_id
        self._empty = render(self._contract, ())
        self._own = sum(map(_most_tokens, self._empty.prefix))
        self.limit = session.get_one(BaseModel, model.base_id).context_length

    @property
    def fewest_letters(self) -> int:
        """A conversation of no more bytes fits, whatever they are."""
        return (self.limit - self._own - sum(map(_most_tokens, self._empty.suffix))) // _NFC_GROWTH

    def excess(self, messages: Sequence[Message], answer: str) -> int | None:
        """Tokens of the prompt with its answer where they are more than the base reads."""
        pieces = [*render(self._contract, messages).suffix, *render_answer(self._contract, answer)]
        if _BEGINNING + self._own + sum(map(_most_tokens, pieces)) + _END <= self.limit:
            return None
        tokenizer = self._tokenizer()
        if tokenizer is None:
            return None
        counted = sum(_tokens(tokenizer, piece) for piece in (*self._empty.prefix, *pieces))
        tokens = len(tokenizer.encode("").ids) + counted + _END
        return tokens if tokens > self.limit else None

    def _tokenizer(self) -> Tokenizer | None:
        found = _loaded.get(self._base_id)
        if found is None:
            query = select(BaseTokenizer).where(BaseTokenizer.base_id == self._base_id)
            kept = self._session.exec(query).one_or_none()
            if kept is None:
                return None
            found = Tokenizer.from_str(zlib.decompress(kept.content).decode())
            _loaded.clear()
            _loaded[self._base_id] = found
        return found


def keep_tokenizer(session: Session, base: BaseModel, tokenizer: str) -> None:
    """`tokenizer` is the text of a tokenizer.json, kept beside the base unless one is there."""
    query = select(BaseTokenizer.id).where(BaseTokenizer.base_id == base.id)
    if session.exec(query).one_or_none() is None:
        content = zlib.compress(tokenizer.encode(), level=1)
        session.add(BaseTokenizer(base_id=base.id, content=content))
        session.flush()


def _most_tokens(piece: Piece) -> int:
    return 1 if piece.special else len(unicodedata.normalize("NFC", piece.text).encode()) + _LEADING_SPACE


def _tokens(tokenizer: Tokenizer, piece: Piece) -> int:
    tokenizer.encode_special_tokens = not piece.special
    return len(tokenizer.encode(piece.text, add_special_tokens=False).ids)
