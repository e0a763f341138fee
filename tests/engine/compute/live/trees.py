"""Small corpora for tests of the live core: trees of stories over a table of activations."""

from __future__ import annotations

from pathlib import Path

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from engine.compute.activations.source import Tally
from engine.compute.activations.store import Store
from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.loaded import LoadedModel
from engine.corpus import text_id
from engine.results import Results
from engine.settings import Settings
from engine.wire.jobs import Placement
from tests.engine.compute.live.lookup import SETTINGS

Tree = dict[str, tuple[str | None, str]]
"""Path -> (concept, text)."""

CONCEPTS = ["angry", "calm", "eager", "sad"]
TEXTS = [str(i) for i in range(12)]
TREES: st.SearchStrategy[Tree] = st.dictionaries(
    st.sampled_from("abcdefghij"), st.tuples(st.sampled_from([None, *CONCEPTS]), st.sampled_from(TEXTS)), min_size=1
)
NO_FUNCTION_SCOPE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def table(hidden: int = 5, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(TEXTS), hidden, generator=generator) * 3 + 1


def placed(tree: Tree) -> list[Placement]:
    return [Placement(text_id(text), concept) for concept, text in tree.values()]


def texts(tree: Tree) -> dict[str, str]:
    return {text_id(text): text for _, text in tree.values()}


def apply(live: LiveCorpus, tree: Tree, fresh: list[str] | None = None) -> Results:
    return counted(live, tree, fresh)[0]


def counted(live: LiveCorpus, tree: Tree, fresh: list[str] | None = None) -> tuple[Results, int]:
    """The results, and how many texts went through the model for them."""
    tally = Tally()
    results = live.apply(placed(tree), texts(tree), fresh=[text_id(text) for text in fresh or []], tally=tally)
    return results, tally.n_run


def fresh_corpus(model: LoadedModel, store: Path, chosen: Settings = SETTINGS) -> LiveCorpus:
    return LiveCorpus(model, chosen, Store(store))
