"""The masked diffusion model of Sudoku: a small bidirectional transformer over the 81 cells.

What it is given of the game: which cell is in which row, column and box (three learned embeddings), nothing of the
rules. Every other regularity it has learned from complete grids and puzzles.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mi_core.errors import FormatError
from mi_core.models.protocol import ModelOutput, check_tokens, clamp_revealed
from mi_core.shapes import Hidden, Tokens
from mi_core.sudoku.board import CELLS, VOCAB
from mi_core.sudoku.diagonals import DIAGONALS
from mi_core.weights import fill_network, load_weights

KIND = "sudoku-mdm"


@dataclass(frozen=True)
class SudokuConfig:
    """Size of the network. The defaults are those of the shipped weights (1.6M parameters)."""

    n_layers: int = 8
    width: int = 128
    n_heads: int = 4
    feedforward: int = 512
    diagonals: bool = False  # also say which cells lie on which main diagonal, as for the model tuned to that rule

    def to_dict(self) -> dict[str, int]:
        """Plain values for the header of a weight file."""
        return asdict(self)


class Block(nn.Module):
    """Pre-norm attention and feed-forward; both outputs start at zero, so that a new network is the identity.

    The place of a cell is added to what queries and keys are made of in every block: "look at my row" stays one
    linear map away however deep the block is.
    """

    def __init__(self, config: SudokuConfig) -> None:
        super().__init__()
        width = config.width
        self.n_heads = config.n_heads
        self.norm_attention = nn.LayerNorm(width)
        self.query_key = nn.Linear(width, 2 * width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_feedforward = nn.LayerNorm(width)
        self.up = nn.Linear(width, config.feedforward)
        self.down = nn.Linear(config.feedforward, width, bias=False)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """One block. x (B, N, D), place (N, D) -> (B, N, D) and the attention weights (B, heads, N, N)."""
        batch, length, width = x.shape
        heads = (self.n_heads, width // self.n_heads)
        h = self.norm_attention(x)
        query, key = self.query_key(h + place).view(batch, length, 2, *heads).permute(2, 0, 3, 1, 4)
        value = self.value(h).view(batch, length, *heads).transpose(1, 2)  # (B, heads, N, d)
        # Written out: in bfloat16 on a CPU this is faster than the fused kernel, forward and backward.
        scores = (query @ key.transpose(-1, -2)).float() * heads[1] ** -0.5
        weights = torch.softmax(scores, dim=-1)
        mixed = weights.to(value.dtype) @ value  # (B, heads, N, d)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width)).float()
        fed: Tensor = self.down(F.gelu(self.up(self.norm_feedforward(x))))
        return x + fed.float(), weights


class SudokuNetwork(nn.Module):
    """tokens (B, 81) -> logits (B, 81, 9) and final hidden states (B, 81, D)."""

    row: Tensor
    column: Tensor
    box: Tensor
    on_diagonal: Tensor  # (81, 2), only with `diagonals`

    def __init__(self, config: SudokuConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(VOCAB.size + 1, config.width)
        self.row_embedding = nn.Embedding(9, config.width)
        self.column_embedding = nn.Embedding(9, config.width)
        self.box_embedding = nn.Embedding(9, config.width)
        for embedding in self.children():
            nn.init.normal_(embedding.weight, std=0.5)  # type: ignore[arg-type]
        self.diagonal_embedding = nn.Embedding(len(DIAGONALS), config.width) if config.diagonals else None
        if self.diagonal_embedding is not None:
            nn.init.zeros_(self.diagonal_embedding.weight)
            on = torch.tensor([[cell in line for line in DIAGONALS] for cell in range(CELLS)])
            self.register_buffer("on_diagonal", on.float(), persistent=False)
        cell = torch.arange(CELLS)
        self.register_buffer("row", cell // 9, persistent=False)
        self.register_buffer("column", cell % 9, persistent=False)
        self.register_buffer("box", cell // 27 * 3 + cell % 9 // 3, persistent=False)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.width)
        self.classifier = nn.Linear(config.width, VOCAB.size)
        nn.init.zeros_(self.classifier.weight)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Logits over the nine digits and the normalised hidden states they are read from."""
        logits, hidden, _, _ = self.inspect(tokens)
        return logits, hidden

    def inspect(self, tokens: Tensor) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        """As `forward`, with the states after the embedding and each block and the attention weights of each block."""
        return self.inspect_embedded(self.token_embedding(tokens))

    def inspect_embedded(self, embedded: Tensor) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        """As `inspect`, of token embeddings (B, 81, D)."""
        place = self.row_embedding(self.row) + self.column_embedding(self.column) + self.box_embedding(self.box)
        if self.diagonal_embedding is not None:
            place = place + self.on_diagonal @ self.diagonal_embedding.weight
        x = embedded + place
        layers, attention = [x], []
        for block in self.blocks:
            x, weights = block(x, place)
            layers.append(x)
            attention.append(weights)
        hidden = self.norm(x)
        return self.classifier(hidden).float(), hidden.float(), layers, attention


class SudokuModel:
    """`Model` protocol around a trained `SudokuNetwork`.

    `low_precision` multiplies in bfloat16: twice as fast on processors that have it. Its logits carry noise of about
    0.01, which the averaged MI feels in second order only; it serves label making, never a reported figure.
    """

    vocab = VOCAB
    length: int | None = CELLS

    def __init__(self, network: SudokuNetwork, *, name: str = "sudoku", low_precision: bool = False) -> None:
        self.name = name
        self.network = network.eval().requires_grad_(False)
        self._low_precision = low_precision

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.network.norm.weight.device

    @torch.inference_mode()
    def __call__(self, tokens: Tokens) -> ModelOutput:
        """p(digit of a cell | revealed cells) for B boards at once, and the hidden states."""
        check_tokens(tokens, self.vocab, self.length)
        tokens = tokens.to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._low_precision):
            logits, hidden, layers, attention = self.network.inspect(tokens)
        log_probs = clamp_revealed(F.log_softmax(logits.double(), dim=-1), tokens, self.vocab)
        return ModelOutput(log_probs, hidden, tuple(layers), tuple(attention))

    def embeddings(self) -> Float[Tensor, "V1 D"]:
        """Of the nine digits and the mask."""
        return self.network.token_embedding.weight

    def log_probs_of(self, tokens: Tokens, embedded: Hidden) -> Float[Tensor, "B N V"]:
        """See `Differentiable`; always in float32."""
        logits, _, _, _ = self.network.inspect_embedded(embedded)
        return F.log_softmax(logits.double(), dim=-1)


def load_sudoku(path: Path, *, low_precision: bool = False) -> SudokuModel:
    """The model in a weight file.

    Raises:
        InputError: no such file.
        FormatError: damaged, of another kind or version.
    """
    header, tensors = load_weights(path, KIND)
    try:
        network = SudokuNetwork(SudokuConfig(**header.config))
    except TypeError as error:
        raise FormatError(f"The header of {path.name} does not describe a Sudoku network.") from error
    fill_network(network, tensors, path)
    return SudokuModel(network, low_precision=low_precision)
