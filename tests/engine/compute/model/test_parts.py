"""Parts that are named by hand are taken where they can be, and refused with what there is instead."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.compute.model.anatomy import Anatomy
from engine.compute.model.checkpoint import Checkpoint
from engine.compute.model.parts import Parts, check_parts
from engine.errors import AmygdalaError
from engine.settings import Settings
from tests.places import GOLDEN


def anatomy(parts: Parts, *blocks: nn.Module) -> Anatomy:
    check_parts(blocks, parts, 4)
    return Anatomy(blocks=list(blocks), n_blocks=len(blocks), hidden_size=4, n_heads=2, parts=parts)


def test_parts_can_be_named_by_hand() -> None:
    back = nn.Linear(6, 4)
    block = nn.ModuleDict({"look": nn.ModuleDict({"back": back}), "think": nn.Linear(8, 4)})
    assert anatomy(Parts(), block).attention_output(0) is None
    named = anatomy(Parts(attention_output="look.back", down_projection="think"), block)
    assert named.attention_output(0) is back
    assert (named.head_width(0), named.head_dim(0)) == (6, 3)
    assert named.down_projections(0)[0] is block["think"].weight


def test_a_part_that_only_some_blocks_have_is_none_in_the_others() -> None:
    mixed = [nn.ModuleDict({"look": nn.Linear(6, 4)}), nn.ModuleDict({"scan": nn.Linear(6, 4)})]
    hybrid = anatomy(Parts(attention_output="look", down_projection="scan"), *mixed)
    assert hybrid.attention_output(0) is mixed[0]["look"]
    assert hybrid.attention_output(1) is None
    assert hybrid.down_projections(0) == []
    assert hybrid.down_projections(1)[0] is mixed[1]["scan"].weight


def test_fused_experts_can_be_named_for_the_down_projection_alone() -> None:
    experts = nn.Module()
    experts.down_proj = nn.Parameter(torch.randn(3, 4, 6))
    block = nn.ModuleDict({"experts": experts})
    assert len(anatomy(Parts(down_projection="experts"), block).down_projections(0)) == 3
    with pytest.raises(AmygdalaError, match="attention_output = 'experts': it is no matrix"):
        anatomy(Parts(attention_output="experts"), block)


def test_of_a_list_of_experts_one_is_told_for_all() -> None:
    block = nn.ModuleDict({"experts": nn.ModuleList(nn.Linear(8, 4) for _ in range(30))})
    with pytest.raises(AmygdalaError, match=r"a block has: experts\.0$"):
        anatomy(Parts(attention_output="attn.o"), block)


ALL = (
    "self_attn.q_proj, self_attn.k_proj, self_attn.v_proj, self_attn.o_proj, mlp.gate_proj, mlp.up_proj, mlp.down_proj"
)


@pytest.mark.parametrize(
    ("setting", "path", "reason"),
    [
        ("blocks", "model.blocks", "LlamaModel has no such list of modules; its lists: layers (5)"),
        ("blocks", "layers.0.mlp", "LlamaModel has no such list of modules; its lists: layers (5)"),
        ("attention_output", "attn.o", f"no block of the model has such a part; a block has: {ALL}"),
        ("attention_output", "mlp.up_proj", "it is no matrix whose output is as wide as the residual stream (64)"),
        ("attention_output", "mlp", "in a block these are: self_attn.q_proj, self_attn.o_proj, mlp.down_proj"),
        ("down_projection", "mlp.nosuch", f"no block of the model has such a part; a block has: {ALL}"),
        ("down_projection", "mlp", "in a block these are: self_attn.q_proj, self_attn.o_proj, mlp.down_proj"),
    ],
)
def test_a_part_named_wrongly_is_refused_before_weights_are_read(setting: str, path: str, reason: str) -> None:
    settings = Settings(model=str(GOLDEN / "models" / "llama"), device="cpu", **{setting: path})  # type: ignore[arg-type]
    with pytest.raises(AmygdalaError) as refusal:
        Checkpoint(settings).outline()
    assert str(refusal.value).startswith(f"amygdala.toml: {setting} = {path!r}: ")
    assert reason in str(refusal.value)
