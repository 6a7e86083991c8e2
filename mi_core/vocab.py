"""Symbols and their ids. The mask is not a symbol: its id is V, one past the last."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from mi_core.errors import InputError
from mi_core.shapes import Row


@dataclass(frozen=True)
class Vocab:
    """The V symbols that a position can hold, and how an open position is written."""

    symbols: tuple[str, ...]
    mask: str = "."

    def __post_init__(self) -> None:
        if len(set(self.symbols)) != len(self.symbols) or self.mask in self.symbols:
            raise InputError(f"Symbols must differ from each other and from the mask {self.mask!r}.")

    @property
    def size(self) -> int:
        """V, the number of symbols."""
        return len(self.symbols)

    @property
    def mask_id(self) -> int:
        """The id of an open position: V."""
        return len(self.symbols)

    def encode(self, text: Iterable[str]) -> Row:
        """Ids of the symbols in `text`, shape (N,).

        Raises:
            InputError: a symbol that is neither in the vocabulary nor the mask.
        """
        ids = {symbol: i for i, symbol in enumerate((*self.symbols, self.mask))}
        out = []
        for position, symbol in enumerate(text):
            if symbol not in ids:
                known = "".join(self.symbols)
                raise InputError(f"Symbol {symbol!r} at position {position} is not one of {known} or {self.mask!r}.")
            out.append(ids[symbol])
        return torch.tensor(out, dtype=torch.int64)

    def decode(self, ids: Row) -> str:
        """The text of `ids`, shape (N,)."""
        symbols = (*self.symbols, self.mask)
        return "".join(symbols[i] for i in ids.tolist())
