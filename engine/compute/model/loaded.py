"""A model ready to run (`LoadedModel`), or known in all but its weights (`Outline`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import torch
from torch import nn

from engine.compute.model.anatomy import Anatomy, positions_beyond_padding, text_config
from engine.compute.model.sketch import Sketch
from engine.errors import AmygdalaError


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run, and what identifies it."""

    name: str
    module: nn.Module
    tokenizer: Any
    anatomy: Anatomy
    device: torch.device
    """Where texts go in; a model that is spread over several devices passes them on by itself."""
    dtype: torch.dtype
    model_hash: str
    tokenizer_hash: str
    kind: str = ""
    """The architecture's name in its config (`model_type`)."""
    needs_mask: bool = True
    """Whether padding must be masked. It need not be where every token sees only those before it."""
    placement: str = "cpu"
    """Where the weights lie, in words."""
    offloaded: bool = False
    """Whether some weights do not fit on the GPUs, and are brought there for each batch."""

    @property
    def sketch(self) -> Sketch:
        """What of it is known without its weights."""
        return Sketch.of(self.anatomy, kind=self.kind, needs_mask=self.needs_mask, max_positions=self.max_positions)

    @property
    def max_positions(self) -> int:
        """The longest sequence the model takes, in tokens."""
        return longest_sequence(self.module, (lambda: self.tokenizer) if self.needs_mask else None)

    @property
    def vocabulary(self) -> int:
        """How many tokens the model has embeddings for; 1 << 30 where it does not tell."""
        try:
            embeddings: Any = self.module.get_input_embeddings()  # type: ignore[operator]
        except (AttributeError, NotImplementedError):
            return 1 << 30
        return int(getattr(embeddings, "num_embeddings", 1 << 30))

    @property
    def warnings(self) -> list[str]:
        """What a person should know of how it was loaded."""
        if not self.offloaded:
            return []
        return [f"{self.name} does not fit on the GPU ({self.placement}): weights are moved for each batch, slowly"]

    @property
    def bytes_held(self) -> int:
        """Memory that its weights take."""
        return sum(weight.numel() * weight.element_size() for weight in self.module.parameters())

    @property
    def is_loaded(self) -> bool:
        """True, as for an `Outline` that has been loaded."""
        return True

    def loaded(self) -> LoadedModel:
        """This model: its weights are there."""
        return self


@dataclass(eq=False, kw_only=True)
class Outline:
    """What identifies a model and what it is made of, without its weights: these are loaded when they are first needed.

    Threads may share it: the weights are loaded once. What is not described here is as in `LoadedModel`.
    """

    name: str
    device: torch.device
    dtype: torch.dtype
    model_hash: str
    tokenizer_hash: str
    sketch: Sketch
    """What is known of it, up to the last block that will be loaded."""
    load: Callable[[], LoadedModel]
    """Loads the weights."""
    load_tokenizer: Callable[[], Any]
    """Loads the tokenizer, which takes no weights."""
    _model: LoadedModel | None = field(default=None, init=False)
    _loading: Lock = field(default_factory=Lock, init=False)

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are there."""
        return self._model is not None

    def loaded(self) -> LoadedModel:
        """The model with its weights; loads them if they are not there yet.

        Raises:
            AmygdalaError: as `Checkpoint.load`, or the files have changed since they were outlined. The next call tries
                again.
        """
        with self._loading:
            if self._model is None:
                model = self.load()
                if (model.model_hash, model.tokenizer_hash) != (self.model_hash, self.tokenizer_hash):
                    raise AmygdalaError(f"--model {self.name}: its files changed while they were in use; start again")
                self._model = model
            return self._model

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, loaded when it is first used; that takes no weights."""
        return self.load_tokenizer()

    @property
    def anatomy(self) -> Anatomy | Sketch:
        """The anatomy of the loaded model; before, the sketch, which knows sizes and no modules."""
        return self.sketch if self._model is None else self._model.anatomy

    @property
    def kind(self) -> str:
        """The architecture's name in its config."""
        return self.sketch.kind

    @property
    def needs_mask(self) -> bool:
        """Whether padding must be masked."""
        return self.sketch.needs_mask

    @property
    def max_positions(self) -> int:
        """The longest sequence the model takes, in tokens."""
        return self.sketch.max_positions

    @property
    def placement(self) -> str:
        """Where the weights lie, in words, or where they would go first."""
        return str(self.device) if self._model is None else self._model.placement

    @property
    def warnings(self) -> list[str]:
        """What a person should know of how it was loaded."""
        return [] if self._model is None else self._model.warnings

    @property
    def bytes_held(self) -> int:
        """Memory that its weights take; 0 before they are there."""
        return 0 if self._model is None else self._model.bytes_held


Model = LoadedModel | Outline
"""A model whose weights may not be loaded yet; `loaded()` loads them."""


def longest_sequence(module: nn.Module, tokenizer: Callable[[], Any] | None) -> int:
    """How many tokens a model takes.

    Args:
        module: the model; its weights are not looked at.
        tokenizer: gives the tokenizer where padding must be masked; such a model's tokenizer may know a lower number.
    """
    positions = int(getattr(text_config(module), "max_position_embeddings", None) or 1 << 30)
    positions = min(positions, positions_beyond_padding(module))
    return positions if tokenizer is None else min(positions, int(getattr(tokenizer(), "model_max_length", positions)))
