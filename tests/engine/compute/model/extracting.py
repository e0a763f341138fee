"""The activations of texts that a model can take."""

from __future__ import annotations

from collections.abc import Sequence

from engine.compute.model.forward import Activation, Extractor


def extract(extractor: Extractor, texts: Sequence[str]) -> list[Activation]:
    """The activation of each text, in their order; an error where the model does not take one."""
    outcomes = dict(outcome for batch in extractor.run(texts) for outcome in batch)
    return [taken(outcomes[i]) for i in range(len(texts))]


def taken(outcome: Activation | Exception) -> Activation:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
