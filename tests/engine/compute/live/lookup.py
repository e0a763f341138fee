"""A model whose activation of a text is a row of a table: any activations, at no cost, through the real pipeline."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.compute.model.anatomy import dissect
from engine.compute.model.loaded import LoadedModel
from engine.settings import Settings

SETTINGS = Settings(model="lookup", target_layers="0,1,2", pooling="last", device="cpu")


class Block(nn.Module):
    """Shuffles and scales the residual by powers of two, so that blocks differ and nothing is rounded.

    Its MLP is only there to be looked at.
    """

    def __init__(self, hidden: int, neurons: int) -> None:
        super().__init__()
        self.turn = nn.Parameter(torch.diag(2.0 ** torch.randint(-1, 2, (hidden,)))[torch.randperm(hidden)])
        self.mlp = nn.ModuleDict({"down_proj": nn.Linear(neurons, hidden, bias=False)})

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.turn


class Lookup(nn.Module):
    """Three blocks over a table of rows."""

    def __init__(self, table: Tensor, neurons: int = 7) -> None:
        super().__init__()
        hidden = table.shape[1]
        self.config: Any = SimpleNamespace(
            num_hidden_layers=3, hidden_size=hidden, max_position_embeddings=8, get_text_config=lambda: self.config
        )
        self.table = nn.Embedding.from_pretrained(table)  # type: ignore[no-untyped-call]
        self.layers = nn.ModuleList(Block(hidden, neurons) for _ in range(3))

    def forward(self, input_ids: Tensor, **_: Tensor) -> Tensor:
        x: Tensor = self.table(input_ids)
        for layer in self.layers:
            x = layer(x)
        return x


def tokenize(texts: list[str], **_: object) -> dict[str, list[list[int]]]:
    """A text is its row's number."""
    return {"input_ids": [[int(text)] for text in texts]}


def lookup_model(table: Tensor, name: str = "lookup") -> LoadedModel:
    """The model of a table `[texts, H]`; text `"3"` is row 3."""
    torch.manual_seed(0)
    module = Lookup(table.float()).eval().requires_grad_(False)
    return LoadedModel(name, module, tokenize, dissect(module), torch.device("cpu"), torch.float32, name, name)


def rows_of(model: LoadedModel, layer: int) -> dict[str, np.ndarray]:
    """Every text's activation after a block, by text, in fp64 of the fp32 that the engine sees."""
    module = model.module
    assert isinstance(module, Lookup)
    x: Tensor = module.table.weight
    for block in module.layers[: layer + 1]:
        x = block(x)
    return {str(i): row for i, row in enumerate(x.double().numpy())}
