"""Brings in the activations of texts before a state takes them in, and remembers which texts the model cannot take."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Set
from dataclasses import replace
from typing import NamedTuple, TypeVar

from engine.compute.activations.source import Progress, Source, Tally
from engine.compute.model.forward import Activation
from engine.compute.model.unreadable import none_taken

R = TypeVar("R")

REFUSALS = 256
"""A model that has taken no text, and cannot take so many, takes none: the others are not tried."""


class Step(NamedTuple):
    """One step of a computation; other work may go first between two steps."""

    done: int = 0
    """Texts through the model so far, of `total`."""
    total: int = 0
    """0 where no text goes through the model."""
    ids: tuple[str, ...] = ()
    """Texts that are done with: this step brought in their activations, or the model cannot take them."""


class Gathering:
    """What is known of texts before, or without, their being part of a state.

    Args:
        source: gives activations.
        model: the model's name, for messages.
    """

    def __init__(self, source: Source, model: str) -> None:
        self.ready: dict[str, Activation] = {}
        """Activations that no state has taken in yet, by text id."""
        self.refusals: dict[str, str] = {}
        """Why the model cannot take a text, by id."""
        self._source = source
        self._model = model
        self._has_taken = False
        """Whether the model has taken any text."""

    def __contains__(self, text_id: str) -> bool:
        """Whether the text need not be brought in: its activation is ready, or the model cannot take it."""
        return text_id in self.ready or text_id in self.refusals

    def bring_in(self, texts: Mapping[str, str], fresh: Collection[str], tally: Tally) -> Iterator[Step]:
        """Have activations ready, or know that there are none; arguments as of `Source.batches`.

        Raises:
            AmygdalaError: the model takes none of many texts, or the machine fails.
        """
        for batch in self._source.batches(texts, fresh, tally):
            for text_id, activation in batch.activations.items():
                self.ready[text_id] = replace(activation, tokens=None)
                self.refusals.pop(text_id, None)
                self._has_taken = True
            for text_id, reason in batch.left_out.items():
                self.ready.pop(text_id, None)
                self.refusals[text_id] = reason
            if batch.left_out and len(self.refusals) >= REFUSALS and not self._has_taken:
                raise none_taken(self._model, self.refusals)
            yield Step(batch.done, batch.total, (*batch.activations, *batch.left_out))

    def left_out(self, text_ids: Set[str]) -> dict[str, str]:
        """Those of these texts that the model cannot take, sorted by id, each with the reason.

        Raises:
            AmygdalaError: it can take none of them.
        """
        left_out = {text_id: self.refusals[text_id] for text_id in sorted(self.refusals.keys() & text_ids)}
        if left_out and len(left_out) == len(text_ids):
            raise none_taken(self._model, left_out)
        return left_out

    def forget(self, text_ids: Collection[str]) -> None:
        """Drop what is known of texts that will not be needed."""
        for text_id in text_ids:
            self.ready.pop(text_id, None)
            self.refusals.pop(text_id, None)


def run_telling(computation: Generator[Step, None, R], progress: Progress) -> R:
    """Drive a computation to its end, with nothing between its steps but the progress that they tell."""
    while True:
        try:
            step = next(computation)
        except StopIteration as end:
            result: R = end.value
            return result
        if step.total:
            progress(step.done, step.total)
