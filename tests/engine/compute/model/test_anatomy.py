"""Blocks and down projections are found in models of different makes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModel, BertConfig, GPT2Config, LlamaConfig, Qwen3Config

from engine.compute.model.anatomy import Anatomy, dissect, unread
from engine.compute.model.parts import Parts
from engine.errors import AmygdalaError

SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "vocab_size": 32}
CONFIGS: dict[str, Any] = {
    "llama": LlamaConfig(**SMALL, intermediate_size=40, num_key_value_heads=2),
    "llama, square": LlamaConfig(**SMALL, intermediate_size=16, num_key_value_heads=2),
    "qwen3": Qwen3Config(**SMALL, intermediate_size=40, num_key_value_heads=1, head_dim=16),
    "bert": BertConfig(**SMALL, intermediate_size=40),
    "gpt2": GPT2Config(n_embd=16, n_layer=3, n_head=2, n_inner=40, vocab_size=32),
}
DOWN = {
    "llama": "mlp.down_proj",
    "llama, square": "mlp.down_proj",
    "qwen3": "mlp.down_proj",
    "bert": "output.dense",
    "gpt2": "mlp.c_proj",
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_blocks_and_down_projection_are_found(kind: str) -> None:
    anatomy = dissect(AutoModel.from_config(CONFIGS[kind]))  # type: ignore[no-untyped-call]
    assert len(anatomy.blocks) == 3
    assert anatomy.hidden_size == 16
    for layer, block in enumerate(anatomy.blocks):
        (matrix,) = anatomy.down_projections(layer)
        expected = block.get_submodule(DOWN[kind]).weight
        assert matrix.shape == (16, 16 if "square" in kind else 40)
        torch.testing.assert_close(matrix, expected.T if kind == "gpt2" else expected)


def test_text_blocks_are_told_from_an_image_towers() -> None:
    model: Any = nn.Module()
    model.config = SimpleNamespace(num_hidden_layers=2, hidden_size=4)
    model.config.get_text_config = lambda: model.config
    model.vision = nn.ModuleDict({"layers": nn.ModuleList([nn.Identity(), nn.Identity()])})
    model.language = nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])})
    assert all(isinstance(block, nn.Linear) for block in dissect(model).blocks)


def test_model_without_recognisable_blocks_says_what_was_looked_for() -> None:
    model: Any = nn.Module()
    model.config = SimpleNamespace(num_hidden_layers=5, hidden_size=4)
    model.config.get_text_config = lambda: model.config
    model.stages = nn.ModuleList([nn.Identity(), nn.Identity()])
    with pytest.raises(
        AmygdalaError, match=r"list of 5 modules; lists found: stages \(2\)(?s:.*)blocks = \"model.layers\""
    ):
        dissect(model)


def test_model_that_does_not_read_text_is_refused_with_words() -> None:
    from transformers import ResNetConfig

    model = AutoModel.from_config(ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1]))  # type: ignore[no-untyped-call]
    with pytest.raises(AmygdalaError, match="ResNetModel"):
        dissect(model)


def one_block(block: nn.Module) -> Anatomy:
    return Anatomy(blocks=[block], n_blocks=1, hidden_size=4, n_heads=2)


def test_block_without_an_mlp_has_no_down_projection() -> None:
    block = nn.ModuleDict({"self_attn": nn.ModuleDict({"o_proj": nn.Linear(4, 4)}), "norm": nn.LayerNorm(4)})
    assert one_block(block).down_projections(0) == []


def test_block_without_attention_has_no_heads() -> None:
    block = nn.ModuleDict({"mlp": nn.ModuleDict({"down_proj": nn.Linear(8, 4)})})
    assert one_block(block).attention_output(0) is None
    assert (one_block(block).head_width(0), one_block(block).head_dim(0)) == (0, 0)


def test_experts_come_in_order_and_the_shared_one_last() -> None:
    experts = nn.ModuleList(nn.ModuleDict({"up_proj": nn.Linear(4, 8), "down_proj": nn.Linear(8, 4)}) for _ in range(3))
    shared = nn.ModuleDict({"down_proj": nn.Linear(6, 4)})
    mlp = nn.ModuleDict({"gate": nn.Linear(4, 3), "experts": experts, "shared_expert": shared})
    matrices = one_block(nn.ModuleDict({"self_attn": nn.Linear(4, 4), "mlp": mlp})).down_projections(0)
    expected = [part.get_parameter("down_proj.weight") for part in (*experts, shared)]
    assert [matrix is weight for matrix, weight in zip(matrices, expected, strict=True)] == [True] * 4


@pytest.mark.parametrize("inner", [6, 4])
def test_fused_experts_kept_transposed_are_turned(inner: int) -> None:
    experts: Any = nn.Module()
    experts.down_proj = nn.Parameter(torch.randn(3, inner, 4))
    experts.is_transposed = True
    matrices = one_block(nn.ModuleDict({"mlp": nn.ModuleDict({"experts": experts})})).down_projections(0)
    assert [matrix.shape for matrix in matrices] == [(4, inner)] * 3
    torch.testing.assert_close(matrices[2], experts.down_proj[2].T)


def test_side_streams_and_mixers_are_not_taken_for_the_mlp() -> None:
    down = nn.Linear(8, 4)
    block = nn.ModuleDict({"mlp": nn.ModuleDict({"down_proj": down}), "per_layer_projection": nn.Linear(2, 4)})
    assert one_block(block).down_projections(0)[0] is down.weight


def test_blocks_can_be_named_by_hand() -> None:
    model: Any = nn.Module()
    model.config = SimpleNamespace(hidden_size=4)
    model.config.get_text_config = lambda: model.config
    model.stages = nn.ModuleList([nn.Identity(), nn.Identity()])
    assert dissect(model, Parts(blocks="stages")).n_blocks == 2
    with pytest.raises(AmygdalaError, match=r"blocks = 'layers'.*its lists: stages \(2\)"):
        dissect(model, Parts(blocks="layers"))


def test_what_text_does_not_pass_is_known_by_its_place() -> None:
    norm = nn.LayerNorm(4)
    text = nn.ModuleDict({"embed": nn.Embedding(3, 4), "layers": nn.ModuleList([nn.Linear(4, 4)]), "norm": norm})
    model = nn.ModuleDict({"vision_tower": nn.Linear(4, 4), "language_model": text, "pooler": nn.Linear(4, 4)})
    assert sorted(unread(model, "language_model.layers")) == ["language_model.norm", "pooler", "vision_tower"]
