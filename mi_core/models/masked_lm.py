"""Masked language models of proteins from `transformers`: a local folder, a hub name, AntiBERTy from its wheel."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mi_core.errors import FormatError, InputError
from mi_core.models.amino import Alphabet, AminoModel, NetworkPass
from mi_core.proteins.sequence import VOCAB


class MaskedLM(AminoModel):
    """`Model` protocol around a `transformers` model with a masked-language-model head."""

    def run(self, ids: Tensor) -> NetworkPass:
        """One pass; the states after the embedding and each block."""
        output = self.network(input_ids=ids, output_hidden_states=True)
        return NetworkPass(output.logits, tuple(output.hidden_states))


def load_masked_lm(path_or_name: str) -> MaskedLM:
    """`hf:PATH_OR_NAME`: a folder written by `save_pretrained`, or a model of the Hugging Face hub.

    Code that comes with a model is never run, and weights in pickled files are read as tensors only.

    Raises:
        InputError: neither a folder nor reachable on the hub, or a tokenizer without the 20 amino acids.
    """
    transformers = import_transformers()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path_or_name, trust_remote_code=False)
        network = transformers.AutoModelForMaskedLM.from_pretrained(path_or_name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path_or_name} is neither a folder of a masked language model nor a model that the Hugging Face hub "
            "gives out here; check the name, or download it elsewhere and name the folder."
        ) from error
    return MaskedLM(f"hf:{path_or_name}", network, _alphabet(tokenizer, path_or_name), longest=_longest(network))


def load_antiberty() -> MaskedLM:
    """AntiBERTy (Ruffolo et al. 2021; 26M, antibody sequences), with the weights of the package's own wheel.

    Raises:
        InputError: the package is not installed.
    """
    found = importlib.util.find_spec("antiberty")
    if found is None or found.origin is None:
        raise InputError("Model antiberty needs an optional package; install it with `pip install antiberty==0.1.3`.")
    transformers = import_transformers()
    folder = Path(found.origin).parent / "trained_models"
    tokenizer = transformers.BertTokenizer(vocab_file=str(folder / "vocab.txt"), do_lower_case=False)
    try:
        network = transformers.BertForMaskedLM.from_pretrained(folder / "AntiBERTy_md_smooth")
    except (OSError, RuntimeError) as error:
        raise FormatError("The weights of antiberty are damaged; install the package again.") from error
    return MaskedLM("antiberty", network, _alphabet(tokenizer, "antiberty"), longest=_longest(network))


def import_transformers() -> Any:
    """The package, also where torchvision is installed but was built for another torch.

    transformers imports torchvision for its image models wherever it is present; a broken one then breaks text models
    too. With matching builds nothing is changed.

    Raises:
        InputError: transformers is not installed.
    """
    try:
        utilities: Any = importlib.import_module("transformers.utils.import_utils")
    except ImportError as error:
        raise InputError(f"This model needs the package transformers ({error}); install it with pip.") from error
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):
        utilities._torchvision_available = False
    return importlib.import_module("transformers")


def _alphabet(tokenizer: Any, name: str) -> Alphabet:
    """The network's ids of the 20 amino acids, its mask, and what it puts around a sequence."""
    ids = tokenizer.convert_tokens_to_ids(list(VOCAB.symbols))
    unknown = [s for s, i in zip(VOCAB.symbols, ids, strict=True) if i in (None, tokenizer.unk_token_id)]
    if unknown or tokenizer.mask_token_id is None:
        what = f"the amino acids {', '.join(unknown)}" if unknown else "a mask"
        raise InputError(f"{name} is no masked language model of proteins: its tokenizer does not know {what}.")
    around = tokenizer.build_inputs_with_special_tokens([tokenizer.mask_token_id])
    at = around.index(tokenizer.mask_token_id)
    return Alphabet(tuple(ids), tokenizer.mask_token_id, tuple(around[:at]), tuple(around[at + 1 :]))


def _longest(network: nn.Module) -> int:
    config: Any = network.config
    return int(getattr(config, "max_position_embeddings", 1024)) - 2
