"""Forward passes: the whole model with its head, batches of two in file order, one kind of activation a pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

BATCH = 2
Pick = Callable[[Any, Any, Tensor], list[Tensor]]
"""What to keep of a module's inputs, its output and the texts' lengths: one tensor per text of the batch."""


def last_token(_inputs: Any, output: Any, lengths: Tensor) -> list[Tensor]:
    """The residual at each text's last token, `[H]`."""
    hidden = output[0] if isinstance(output, tuple) else output
    return [hidden[b, length - 1].float() for b, length in enumerate(lengths)]


def all_tokens(_inputs: Any, output: Any, lengths: Tensor) -> list[Tensor]:
    """All residuals of each text, `[T, H]`."""
    hidden = output[0] if isinstance(output, tuple) else output
    return [hidden[b, :length].float() for b, length in enumerate(lengths)]


def last_input(inputs: Any, _output: Any, lengths: Tensor) -> list[Tensor]:
    """What goes into the module at each text's last token, `[A]`."""
    return [inputs[0][b, length - 1].float() for b, length in enumerate(lengths)]


@torch.no_grad()
def forward(
    model: Any, tokenizer: Any, texts: Sequence[str], modules: Sequence[nn.Module], pick: Pick, max_length: int
) -> list[list[Tensor]]:
    """Run all texts through the whole model and keep, per module and text, what `pick` takes."""
    kept: list[list[Tensor]] = [[] for _ in modules]
    lengths = torch.empty(0)

    def keep(into: list[Tensor]) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _module, inputs, output: into.extend(pick(inputs, output, lengths))

    hooks = [module.register_forward_hook(keep(into)) for module, into in zip(modules, kept, strict=True)]
    for start in range(0, len(texts), BATCH):
        batch = tokenizer(
            list(texts[start : start + BATCH]),
            return_tensors="pt",
            padding=True,
            padding_side="right",
            truncation=True,
            max_length=max_length,
        ).to(model.device)
        lengths = batch["attention_mask"].sum(1)
        model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    for hook in hooks:
        hook.remove()
    return kept
