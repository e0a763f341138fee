"""A model's modules without weights: built from its config, and cut off where no text passes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from engine.settings import Settings


def build_skeleton(folder: Path, settings: Settings) -> nn.Module:
    """The model without weights: every module is there, nothing is read and no memory taken. It may raise anything."""
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    code = settings.trust_remote_code
    config = plain_config(AutoConfig.from_pretrained(str(folder), trust_remote_code=code))
    with torch.device("meta"):
        return cast(nn.Module, AutoModel.from_config(config, trust_remote_code=code))  # type: ignore[no-untyped-call]


def plain_config(config: Any) -> Any:
    """The configuration without a choice of attention or experts: transformers' own are used, whatever is installed.

    `flash_attention_2`, say, would have it fetch that code from the hub.
    """
    config._attn_implementation = config._experts_implementation = None
    return config


def cut_type(model_type: type[Any], blocks: str, unread: Sequence[str], last_layer: int | None) -> type[Any]:
    """The same kind of model without some of its modules, so that their weights are not read from the checkpoint."""

    def init(self: Any, config: Any, *arguments: Any, **keywords: Any) -> None:
        model_type.__init__(self, config, *arguments, **keywords)
        for path in unread:
            self.set_submodule(path, nn.Identity())
        if last_layer is not None:
            del self.get_submodule(blocks)[last_layer + 1 :]

    return type(model_type.__name__, (model_type,), {"__init__": init, "__module__": model_type.__module__})
