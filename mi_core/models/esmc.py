"""ESM-C (Hayes et al. 2024; package `esm`): from the hub by name, from a local file, or the small one that ships.

A state dict says how wide and how deep its network is; all published ESM-C have heads of width 64.
"""

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from mi_core.errors import FormatError, InputError
from mi_core.models.amino import Alphabet, AminoModel, NetworkPass
from mi_core.models.protocol import Lazily
from mi_core.proteins.sequence import VOCAB
from mi_core.shapes import Hidden, Tokens
from mi_core.weights import fill_network, read_any

KIND = "esmc"
HUB = {
    "esmc_300m": "EvolutionaryScale/esmc-300m-2024-12/data/weights/esmc_300m_2024_12_v0.pth",
    "esmc_600m": "EvolutionaryScale/esmc-600m-2024-12/data/weights/esmc_600m_2024_12_v0.pth",
}
"""Published models by the name that `ESMC.from_pretrained` knows, and where their weights lie on the hub."""

WEIGHTS_VARIABLE = "MI_EXPLORER_ESMC"
HEAD_WIDTH = 64
LONGEST = 2_046  # the model was trained on 2,048 tokens, BOS and EOS among them


class EsmcModel(AminoModel):
    """`Model` protocol around an `ESMC`; on a GPU it multiplies in bfloat16, as the package does.

    Args:
        low_precision: does so on a processor, too.
    """

    def __init__(self, network: nn.Module, *, name: str, low_precision: bool = False) -> None:
        tokenizer: Any = network.tokenizer
        ids = tuple(tokenizer.convert_tokens_to_ids(list(VOCAB.symbols)))
        around = Alphabet(ids, tokenizer.mask_token_id, (tokenizer.cls_token_id,), (tokenizer.eos_token_id,))
        super().__init__(name, network, around, longest=LONGEST)
        self._low_precision = low_precision

    def run(self, ids: Tensor) -> NetworkPass:
        """One pass; the states after each block, then the normalised ones that the logits are read from."""
        kind = self.device.type
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=self._low_precision or kind == "cuda"):
            output = self.network(sequence_tokens=ids)
        states = tuple(output.hidden_states)
        blocks: Any = self.network.get_submodule("transformer").blocks
        attention = Lazily(
            [
                lambda k=k, block=block: attention_logits(  # type: ignore[misc]
                    block, states[k - 1] if k else self.network.get_submodule("embed")(ids)
                ).softmax(-1)
                for k, block in enumerate(blocks)
            ]
        )
        return NetworkPass(output.sequence_logits, (*states, output.embeddings), attention)

    def embeddings(self) -> Float[Tensor, "V1 D"]:
        """Of the 20 amino acids and the mask."""
        table: Tensor = self.network.get_submodule("embed").weight  # type: ignore[assignment]
        return table[self._ids.to(self.device)]

    def log_probs_of(self, tokens: Tokens, embedded: Hidden) -> Float[Tensor, "B N V"]:
        """See `Differentiable`; always in float32."""
        ids, here = self._around(tokens.to(self.device))
        embed = self.network.get_submodule("embed")
        given = torch.cat([embed(ids[:, : here.start]), embedded, embed(ids[:, here.stop :])], dim=1)
        # A copy that shares all weights: the network itself may be at work in another thread.
        network: Any = copy.copy(self.network)
        network._modules = {**self.network._modules, "embed": _Given(given)}
        with sdpa_kernel(SDPBackend.MATH):  # the only one with forward-mode derivatives
            logits = network(sequence_tokens=ids).sequence_logits
        return self._renormalised(logits[:, here])[0]


def attention_logits(block: Any, x: Tensor) -> Tensor:
    """Attention of a block of ESM-C on its input (B, L, D), before the softmax, (B, heads, L, L).

    The package computes attention in one fused kernel and shows none of it; this asks its layers for queries and keys
    once more, which costs a fraction of the pass.
    """
    inner = block.attn
    query, key, _ = inner.layernorm_qkv(x.to(inner.out_proj.weight.dtype)).chunk(3, dim=-1)
    query, key = inner._apply_rotary(inner.q_ln(query), inner.k_ln(key))
    query, key = (part.unflatten(-1, (inner.n_heads, -1)).transpose(1, 2) for part in (query, key))
    logits: Tensor = query @ key.transpose(-1, -2) / inner.d_head**0.5
    return logits


class _Given(nn.Module):
    """Stands for an embedding layer and answers with embeddings that are known already."""

    def __init__(self, embedded: Tensor) -> None:
        super().__init__()
        self.embedded = embedded

    def forward(self, ids: Tensor) -> Tensor:
        return self.embedded


def build_esmc(*, d_model: int, n_heads: int, n_layers: int) -> Any:
    """An `ESMC` of that size with new weights.

    Raises:
        InputError: the package `esm` cannot be imported.
    """
    try:
        from esm.models.esmc import ESMC
        from esm.tokenization import get_esmc_model_tokenizers
    except ImportError as error:
        raise InputError(
            f"ESM-C needs the package esm ({error}); install it with `pip install -r requirements.txt`."
        ) from error
    return ESMC(d_model, n_heads, n_layers, get_esmc_model_tokenizers(), use_flash_attn=False)


def load_esmc(name: str, *, weights: Path | None = None, low_precision: bool = False) -> EsmcModel:
    """A published ESM-C.

    Args:
        name: one of `HUB`.
        weights: a `.pth` or `.safetensors` file or a folder that holds one; else what the environment variable
            MI_EXPLORER_ESMC names; else the package's own loading from the hub, which keeps a copy.

    Raises:
        InputError: no such file, or the hub cannot be reached.
        FormatError: the file holds no ESM-C.
    """
    given = weights or _from_environment(name)
    if given is not None:
        return load_esmc_file(given, name=name, low_precision=low_precision)
    build_esmc(d_model=HEAD_WIDTH, n_heads=1, n_layers=1)  # says what is missing before anything is fetched
    from esm.models.esmc import ESMC

    try:
        network = ESMC.from_pretrained(name)
    except OSError as error:  # what huggingface_hub raises without a connection or a copy
        repository, _, path = HUB[name].partition("/data/")
        raise InputError(
            f"The weights of {name} are not on this computer and the Hugging Face hub cannot be reached: download "
            f"data/{path} of huggingface.co/{repository} elsewhere and name the file with --weights or in "
            f"{WEIGHTS_VARIABLE}."
        ) from error
    return EsmcModel(network, name=name, low_precision=low_precision)


def load_esmc_file(path: Path, *, name: str, low_precision: bool = False) -> EsmcModel:
    """An ESM-C from a `.pth` or `.safetensors` file or a folder that holds one; raises as `load_esmc`."""
    path = _weight_file(path)
    header, tensors = read_any(path, KIND)
    size = dict(header.config) if header else _size_of(tensors, path)
    try:
        network = build_esmc(**size)
    except (TypeError, ValueError) as error:
        raise FormatError(f"The header of {path.name} does not describe an ESM-C.") from error
    fill_network(network, {k: v.float() for k, v in tensors.items()}, path)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return EsmcModel(network.to(device), name=name, low_precision=low_precision)


def esmc_is_here(name: str) -> bool:
    """Whether a published ESM-C can be loaded without a connection: its file was named, or the hub's copy is kept."""
    if _from_environment(name) is not None:
        return True
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    repository, _, path = HUB[name].partition("/data/")
    return isinstance(try_to_load_from_cache(repository, "data/" + path), str)


def _from_environment(name: str) -> Path | None:
    """The file or folder that the environment variable names; of a folder, the file of that model."""
    given = os.environ.get(WEIGHTS_VARIABLE)
    if not given:
        return None
    path = Path(given)
    own = sorted(path.rglob(f"{name}*.*")) if path.is_dir() else []
    return own[0] if own else path


def _weight_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(p for p in path.rglob("*") if p.suffix in {".pth", ".pt", ".safetensors"})
    if len(found) != 1:
        raise InputError(
            f"Folder {path.name} holds {len(found)} weight files (.pth, .pt, .safetensors); name the one to take."
        )
    return found[0]


def _size_of(tensors: Mapping[str, Tensor], path: Path) -> dict[str, int]:
    """Width and depth as the state dict shows them."""
    blocks = {key.split(".")[2] for key in tensors if key.startswith("transformer.blocks.")}
    if "embed.weight" not in tensors or not blocks:
        raise FormatError(f"{path.name} does not hold an ESM-C: it has no embedding or no transformer blocks.")
    width = tensors["embed.weight"].shape[1]
    return {"d_model": width, "n_heads": max(1, width // HEAD_WIDTH), "n_layers": len(blocks)}
