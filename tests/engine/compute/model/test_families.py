"""Every model family works: what is read is where its source says it is, and equals the whole model's in fp64."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.compute.model import checkpoint
from engine.compute.model.forward import Activation, Extractor
from engine.compute.model.loaded import LoadedModel
from engine.errors import AmygdalaError
from engine.settings import Settings
from tests import families, oracle_families
from tests.engine.compute.model import extracting
from tests.oracle_families import PARTS, Read

LAYERS = [0, 1, 2, 3]
TEXTS = [
    "Nobody had told him. He read the letter twice and laughed, and then he sat down on the stairs.",
    "Rain.",
    # longer than the sliding windows, and than the chunks in which linear attention proceeds
    "She waited at the door until the light went out, and then a little longer, in case it came back. " * 2,
    "The dog slept.",
]


class Case:
    """A family's checkpoint, and what is computed of it once for all tests."""

    def __init__(self, family: str, place: Path) -> None:
        self.family = family
        self.parts = PARTS[family]
        self.folder = families.make(family, place / "whole")
        linear = any("linear_attn" in block.attention for block in self.parts.each)
        # linear attention normalises what may be tiny: a plain fp32 model is as far from fp64, which is fp32 there too
        self.tolerance = 2e-3 if linear else 1e-4

    @cached_property
    def whole(self) -> LoadedModel:
        return load(self.folder)

    @cached_property
    def expected(self) -> list[Read]:
        return oracle_families.activations(self.folder, self.family, TEXTS)

    def poisoned(self, last_layer: int, into: Path) -> Path:
        """A copy in which all that has no say in block `last_layer`'s output is NaN."""
        return families.poisoned(
            self.folder, lambda name: oracle_families.needed(self.family, last_layer, name), into / "poisoned"
        )

    def size(self, last_layer: int) -> int:
        """How many numbers have a say in block `last_layer`'s output."""
        return sum(
            tensor.numel()
            for name, tensor in families.weights(self.folder).items()
            if oracle_families.needed(self.family, last_layer, name) and oracle_families.parameter(self.family, name)
        )


@pytest.fixture(scope="module", params=families.FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp(request.param))


def load(folder: Path, last_layer: int | None = None, dtype: Literal["fp32", "bf16"] = "fp32") -> LoadedModel:
    return checkpoint.load(Settings(model=str(folder), device="cpu", dtype=dtype), last_layer=last_layer)


def extract(extractor: Extractor, texts: Sequence[str] = TEXTS) -> list[Activation]:
    return extracting.extract(extractor, texts)


def assert_close(ours: Tensor | None, expected: Tensor, tolerance: float = 1e-4) -> None:
    assert ours is not None
    torch.testing.assert_close(ours.double(), expected.double(), atol=tolerance, rtol=tolerance)


def assert_same(ours: Activation, other: Activation) -> None:
    """Equal in all that is read."""
    assert_close(ours.x, other.x)
    assert len(ours.heads) == len(other.heads)
    for mine, theirs in zip(ours.heads, other.heads, strict=True):
        assert theirs is not None
        assert_close(mine, theirs)
    assert other.tokens is not None
    assert_close(ours.tokens, other.tokens)


# What is found


def test_blocks_are_counted(case: Case) -> None:
    assert case.whole.anatomy.n_blocks == len(case.whole.anatomy.blocks) == families.N_BLOCKS
    assert case.whole.anatomy.hidden_size == families.HIDDEN


@pytest.mark.parametrize("layer", LAYERS)
def test_attention_output_is_the_one_of_the_source(case: Case, layer: int) -> None:
    anatomy, block = case.whole.anatomy, case.parts.each[layer]
    projection = anatomy.attention_output(layer)
    expected = oracle_families.attention_output(case.folder, case.family, layer)
    assert projection is anatomy.blocks[layer].get_submodule(block.attention)
    weight = projection.get_parameter("weight")
    torch.testing.assert_close(weight.T if f"{block.attention}.weight" in case.parts.turned else weight, expected)
    assert anatomy.head_dim(layer) == block.head_dim
    assert expected.shape == (families.HIDDEN, block.heads * block.head_dim)


@pytest.mark.parametrize("layer", LAYERS)
def test_down_projections_are_those_of_the_source(case: Case, layer: int) -> None:
    matrices = case.whole.anatomy.down_projections(layer)
    expected = oracle_families.down_projections(case.folder, case.family, layer)
    assert [tuple(weight.shape) for weight in matrices] == [tuple(weight.shape) for weight in expected]
    torch.testing.assert_close(torch.cat(matrices, dim=1), torch.cat(expected, dim=1), atol=0, rtol=0)
    held = {weight.untyped_storage().data_ptr() for weight in case.whole.module.parameters()}
    assert {weight.untyped_storage().data_ptr() for weight in matrices} <= held  # views: nothing is copied


# What is read


def test_residuals_are_the_oracles_at_every_token(case: Case) -> None:
    ours = extract(Extractor(case.whole, LAYERS, pooling="last", keep_tokens=True))
    for mine, expected in zip(ours, case.expected, strict=True):
        assert mine.x.dtype == torch.float32
        assert_close(mine.x, torch.stack([tokens[-1] for tokens in expected.tokens]), case.tolerance)
        assert_close(mine.tokens, torch.stack(expected.tokens), case.tolerance)


def test_heads_are_the_oracles(case: Case) -> None:
    ours = extract(Extractor(case.whole, LAYERS, pooling="last"))
    for mine, expected in zip(ours, case.expected, strict=True):
        for layer, theirs in enumerate(expected.heads):
            assert_close(mine.heads[layer], theirs[-1], case.tolerance)
            assert theirs.shape[1] // case.whole.anatomy.head_dim(layer) == case.parts.each[layer].heads


def test_heads_come_in_the_order_of_the_layers_asked_for(case: Case) -> None:
    (ours,) = extract(Extractor(case.whole, [3, 0], pooling="last"), TEXTS[:1])
    for mine, layer in zip(ours.heads, [3, 0], strict=True):
        assert_close(mine, case.expected[0].heads[layer][-1], case.tolerance)


@pytest.mark.parametrize("pool_from", [0, 3])
def test_means_are_over_a_texts_own_tokens(case: Case, pool_from: int) -> None:
    ours = extract(Extractor(case.whole, LAYERS, pooling="mean", pool_from=pool_from))
    for mine, expected in zip(ours, case.expected, strict=True):
        first = min(pool_from, len(expected.tokens[0]) - 1)
        assert_close(mine.x, torch.stack([tokens[first:].mean(0) for tokens in expected.tokens]), case.tolerance)
        for heads, theirs in zip(mine.heads, expected.heads, strict=True):
            assert_close(heads, theirs[first:].mean(0), case.tolerance)


@pytest.mark.parametrize("side", ["left", "right"])
def test_activations_do_not_depend_on_batch_mates(case: Case, side: str, tmp_path: Path) -> None:
    model = load(families.with_padding(case.folder, side, tmp_path / side))
    assert model.tokenizer.padding_side == side
    together = extract(Extractor(model, LAYERS, pooling="last", keep_tokens=True))
    alone = extract(Extractor(model, LAYERS, pooling="last", keep_tokens=True, batch_size=1))
    for one, other in zip(together, alone, strict=True):
        assert_same(one, other)


def test_family_sees_ahead_or_not_as_its_source_says(case: Case) -> None:
    extractor = Extractor(case.whole, LAYERS, pooling="last", keep_tokens=True, max_length=12)
    (cut,) = extract(extractor, TEXTS[2:3])
    assert cut.truncated
    assert cut.tokens is not None
    before = torch.stack(case.expected[2].tokens)[
        :, :11
    ].float()  # BERT's last token closes the text wherever it is cut
    assert torch.allclose(cut.tokens[:, :11], before, atol=2e-3) is case.parts.causal


def test_half_precision_is_nearly_the_same(case: Case) -> None:
    model = load(case.folder, dtype="bf16")
    ours = extract(Extractor(model, LAYERS, pooling="last", keep_tokens=True), TEXTS[:1])[0]
    assert ours.x.dtype == torch.float32
    assert ours.tokens is not None
    assert ours.tokens.dtype == model.dtype == torch.bfloat16
    for layer in LAYERS:
        mine, theirs = ours.x[layer].double(), case.expected[0].tokens[layer][-1]
        assert torch.cosine_similarity(mine, theirs, dim=0) > 0.99


# What is loaded


@pytest.mark.parametrize("last_layer", [0, 1, 3])
def test_model_up_to_a_block_reads_and_holds_nothing_else(case: Case, last_layer: int, tmp_path: Path) -> None:
    model = load(case.poisoned(last_layer, tmp_path), last_layer)
    assert model.anatomy.n_blocks == families.N_BLOCKS
    assert len(model.anatomy.blocks) == last_layer + 1
    names = [name for name, weight in model.module.named_parameters() if not weight.is_meta]
    assert sum(model.module.get_parameter(name).numel() for name in names) == case.size(last_layer), names
    layers = LAYERS[: last_layer + 1]
    ours = extract(Extractor(model, layers, pooling="last", keep_tokens=True))
    for mine, whole in zip(ours, extract(Extractor(case.whole, layers, pooling="last", keep_tokens=True)), strict=True):
        assert_same(mine, whole)


def test_whole_model_would_have_read_it(case: Case, tmp_path: Path) -> None:
    model = load(case.poisoned(1, tmp_path))
    with pytest.raises(AmygdalaError, match="not finite"):
        extract(Extractor(model, LAYERS, pooling="last"), TEXTS[:1])


def test_parts_are_found_in_a_model_up_to_a_block_too(case: Case) -> None:
    anatomy = load(case.folder, last_layer=1).anatomy
    for layer in (0, 1):
        assert anatomy.attention_output(layer) is anatomy.blocks[layer].get_submodule(case.parts.each[layer].attention)
        assert anatomy.head_dim(layer) == case.parts.each[layer].head_dim
        expected = oracle_families.down_projections(case.folder, case.family, layer)
        torch.testing.assert_close(torch.cat(anatomy.down_projections(layer), dim=1), torch.cat(expected, dim=1))


def test_checkpoint_of_many_files_is_cut_alike(case: Case, tmp_path: Path) -> None:
    folder = case.poisoned(1, tmp_path)
    split(folder, 3)
    model = load(folder, last_layer=1)
    ours = extract(Extractor(model, [1], pooling="last"))
    for mine, expected in zip(ours, case.expected, strict=True):
        assert_close(mine.x[0], expected.tokens[1][-1], case.tolerance)


def split(folder: Path, count: int) -> None:
    """Spread a checkpoint over files, so that every block and every set of experts is in pieces."""
    tensors = families.weights(folder)
    (folder / "model.safetensors").unlink()
    files = [f"model-{i + 1:05}-of-{count:05}.safetensors" for i in range(count)]
    where = {name: files[i % count] for i, name in enumerate(sorted(tensors))}
    for file in files:
        its = {name: tensors[name] for name, place in where.items() if place == file}
        save_file(its, folder / file, metadata={"format": "pt"})
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
