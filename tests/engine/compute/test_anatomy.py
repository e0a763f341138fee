"""Blocks and down projections are found in models of different makes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModel, BertConfig, GPT2Config, LlamaConfig, Qwen3Config

from engine.compute.anatomy import dissect, down_projection, unit_columns
from engine.errors import AmygdalaError

SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "vocab_size": 32}
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
    anatomy = dissect(AutoModel.from_config(CONFIGS[kind]))
    assert len(anatomy.blocks) == 3
    assert anatomy.hidden_size == 16
    for layer, block in enumerate(anatomy.blocks):
        found = anatomy.down_projection(layer)
        assert found is not None
        expected = block.get_submodule(DOWN[kind]).weight
        assert found.shape == (16, 16 if "square" in kind else 40)
        torch.testing.assert_close(found, expected.T if kind == "gpt2" else expected)


def test_text_blocks_are_told_from_an_image_towers() -> None:
    model = nn.Module()
    model.config = SimpleNamespace(num_hidden_layers=2, hidden_size=4)
    model.config.get_text_config = lambda: model.config
    model.vision = nn.ModuleDict({"layers": nn.ModuleList([nn.Identity(), nn.Identity()])})
    model.language = nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])})
    assert all(isinstance(block, nn.Linear) for block in dissect(model).blocks)


def test_model_without_recognisable_blocks_says_what_was_looked_for() -> None:
    model = nn.Module()
    model.config = SimpleNamespace(num_hidden_layers=5, hidden_size=4)
    model.config.get_text_config = lambda: model.config
    model.stages = nn.ModuleList([nn.Identity(), nn.Identity()])
    with pytest.raises(AmygdalaError, match=r"list of 5 modules; lists found: stages \(2\)"):
        dissect(model)


def test_model_that_does_not_read_text_is_refused_with_words() -> None:
    from transformers import ResNetConfig

    model = AutoModel.from_config(ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1]))
    with pytest.raises(AmygdalaError, match="ResNetModel"):
        dissect(model)


def test_block_without_a_dense_mlp_has_no_down_projection() -> None:
    block = nn.ModuleDict({"self_attn": nn.ModuleDict({"o_proj": nn.Linear(4, 4)}), "norm": nn.LayerNorm(4)})
    assert down_projection(block, 4) is None


def test_unit_columns_have_length_one_and_zeros_stay() -> None:
    weight = torch.tensor([[3.0, 0.0], [4.0, 0.0]], dtype=torch.bfloat16)
    assert unit_columns(weight).tolist() == [[pytest.approx(0.6), 0.0], [pytest.approx(0.8), 0.0]]


def test_mixture_of_experts_has_no_single_down_projection() -> None:
    mlp = nn.ModuleDict({"experts": nn.ModuleList([nn.Linear(8, 4)]), "shared_expert": nn.Linear(8, 4)})
    assert down_projection(nn.ModuleDict({"self_attn": nn.Linear(4, 4), "mlp": mlp}), 4) is None


def test_side_streams_and_mixers_are_not_taken_for_the_mlp() -> None:
    down = nn.Linear(8, 4)
    block = nn.ModuleDict({"mlp": nn.ModuleDict({"down_proj": down}), "per_layer_projection": nn.Linear(2, 4)})
    assert down_projection(block, 4) is down.weight
