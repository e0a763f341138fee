"""Corpora made up for the tests: activations with concepts in them, of any shape."""

from __future__ import annotations

import numpy as np
import torch

from engine.compute.statistics.evidence.stories import Stories
from tests.engine.compute.statistics.evidence import oracle


def stories(
    n: int, hidden: int, n_concepts: int, seed: int = 0, *, layers: int = 2, n_scenarios: int = 0, signal: float = 0.7
) -> Stories:
    """Stories about their concepts' means, in dimensions of very different spread, a few filed wrongly.

    With scenarios, about a third of the stories are in none.
    """
    g = torch.Generator().manual_seed(seed)
    true = torch.randint(n_concepts, (n,), generator=g)
    spread = 3.0 ** torch.randn(hidden, generator=g)
    means = signal * torch.randn(layers, n_concepts, hidden, generator=g)
    rows = 5 + spread * (means[:, true] + torch.randn(layers, n, hidden, generator=g))
    wrong = torch.rand(n, generator=g) < 0.1
    concepts = torch.where(wrong, torch.randint(n_concepts, (n,), generator=g), true)
    scenarios = torch.randint(-n_scenarios // 2, n_scenarios, (n,), generator=g).clamp_min(-1) if n_scenarios else None
    scenarios = torch.full((n,), -1) if scenarios is None else scenarios
    return Stories(rows=rows, concepts=concepts, scenarios=scenarios, n_concepts=n_concepts)


def corpus(of: Stories) -> oracle.Corpus:
    """The same as the oracle has it."""
    return oracle.Corpus(
        np.asarray(of.rows.double().numpy()), of.concepts.numpy(), of.scenarios.numpy(), of.n_concepts
    )  # fmt: skip
