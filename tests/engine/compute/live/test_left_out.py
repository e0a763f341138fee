"""A text that the model cannot take counts nowhere, is named, and stops no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.compute.activations.source import Tally
from engine.compute.activations.store import Store
from engine.compute.live import gathering
from engine.compute.live.corpus import LiveCorpus
from engine.compute.live.gathering import Step
from engine.compute.live.sweep import layers_for
from engine.compute.model.forward import Extractor
from engine.compute.model.loaded import LoadedModel
from engine.compute.statistics.steps import run
from engine.corpus import text_id
from engine.errors import AmygdalaError
from engine.results import Results
from engine.settings import Settings
from tests.engine.compute.live.comparing import assert_same
from tests.engine.compute.live.lookup import SETTINGS, Lookup, lookup_model
from tests.engine.compute.live.trees import (
    CONCEPTS,
    NO_FUNCTION_SCOPE,
    Tree,
    apply,
    counted,
    fresh_corpus,
    placed,
    table,
    texts,
)
from tests.engine.compute.model.altered import PANIC, UNKNOWN

NAN, OUT_OF_RANGE, WORD = "11", "99", "word"
"""A row that is not finite, one that is not there, a text that the tokenizer fails on."""
BAD = (NAN, OUT_OF_RANGE, WORD)
GOOD = [str(i) for i in range(11)]
STORIES = st.tuples(st.sampled_from([None, *CONCEPTS]), st.sampled_from([*GOOD, *BAD]))
MIXED: st.SearchStrategy[Tree] = st.dictionaries(st.sampled_from("abcdefghij"), STORIES, min_size=1)
METHODS = {
    "pooled": SETTINGS,
    "whitened": msgspec.structs.replace(SETTINGS, method="whitened"),
    "subspace": msgspec.structs.replace(SETTINGS, method="subspace", subspace_k=1),
}
CALM_AND_SAD: Tree = {"a": ("calm", "0"), "b": ("calm", "1"), "c": ("sad", "2"), "d": (None, "3")}


def spoilt() -> LoadedModel:
    """A table whose last row is not finite."""
    rows = table()
    rows[int(NAN)] = torch.nan
    return lookup_model(rows, "spoilt")


def row_of(model: LoadedModel, text: str) -> torch.Tensor:
    assert isinstance(model.module, Lookup)
    row: torch.Tensor = model.module.table.weight[int(text)]
    return row


def without_bad(tree: Tree) -> Tree:
    return {path: story for path, story in tree.items() if story[1] not in BAD}


def left_out_of(tree: Tree) -> list[str]:
    return sorted({text_id(text) for _, text in tree.values() if text in BAD})


def as_if_there_were_none(results: Results) -> Results:
    return msgspec.structs.replace(results, left_out={})


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were given to the model, as they come."""
    run, tried = Extractor.run, []

    def told(self: Extractor, texts: list[str]) -> Iterator[Any]:
        tried.extend(texts)
        return run(self, texts)

    monkeypatch.setattr(Extractor, "run", told)
    return tried


# The oracle: a corpus without the files


@pytest.mark.parametrize("method", METHODS)
@NO_FUNCTION_SCOPE
@given(trees=st.lists(MIXED, min_size=1, max_size=3))
def test_numbers_are_those_of_a_corpus_without_it_after_any_changes(
    tmp_path_factory: pytest.TempPathFactory, method: str, trees: list[Tree]
) -> None:
    model, folder = spoilt(), tmp_path_factory.getbasetemp() / f"left-out-{method}"
    live = fresh_corpus(model, folder, METHODS[method])
    for tree in trees:
        others = without_bad(tree)
        if not others:
            with pytest.raises(AmygdalaError, match="spoilt cannot take"):
                apply(live, tree)
            continue
        ours, expected = apply(live, tree), apply(fresh_corpus(model, folder, METHODS[method]), others)
        assert list(ours.left_out) == left_out_of(tree)
        assert expected.left_out == {}
        assert_same(as_if_there_were_none(ours), expected)


def test_reasons_are_told_with_the_ids(tmp_path: Path) -> None:
    tree: Tree = CALM_AND_SAD | {"e": ("sad", NAN), "f": ("calm", WORD)}
    assert apply(fresh_corpus(spoilt(), tmp_path), tree).left_out == {
        text_id(NAN): "its activations are not finite; try --dtype fp32",
        text_id(WORD): "its tokenizer fails on it (ValueError: invalid literal for int() with base 10: 'word')",
    }


# What is tried, and when


def test_it_is_not_tried_at_each_change(tmp_path: Path, tried: list[str]) -> None:
    live = fresh_corpus(spoilt(), tmp_path)
    tree: Tree = CALM_AND_SAD | {"e": ("sad", OUT_OF_RANGE)}
    assert counted(live, tree)[1] == 4, "a text that was not taken is not counted as run"
    tried.clear()
    for new in "456":
        results, n_run = counted(live, tree | {"f": ("calm", new)})
        assert (n_run, list(results.left_out)) == (1, [text_id(OUT_OF_RANGE)])
    assert tried == ["4", "5", "6"]


def test_it_is_tried_again_where_that_is_asked_for(tmp_path: Path, tried: list[str]) -> None:
    live = fresh_corpus(spoilt(), tmp_path)
    tree: Tree = CALM_AND_SAD | {"e": ("sad", OUT_OF_RANGE)}
    apply(live, tree)
    tried.clear()
    assert apply(live, tree, fresh=[OUT_OF_RANGE]).left_out
    assert tried == [OUT_OF_RANGE]


def test_one_that_is_taken_at_the_second_try_is_part_of_the_numbers(tmp_path: Path) -> None:
    model = spoilt()
    live = fresh_corpus(model, tmp_path)
    tree: Tree = CALM_AND_SAD | {"e": ("sad", NAN)}
    apply(live, tree)
    row_of(model, NAN)[:] = 1.0
    results = apply(live, tree, fresh=[NAN])
    assert results.left_out == {}
    assert_same(results, apply(fresh_corpus(model, tmp_path), tree))


def test_one_that_is_refused_at_the_second_try_leaves_the_numbers(tmp_path: Path) -> None:
    model = spoilt()
    live = fresh_corpus(model, tmp_path / "one")
    tree: Tree = CALM_AND_SAD | {"e": ("sad", "4")}
    apply(live, tree)
    row_of(model, "4")[:] = torch.inf
    list(live.prepare({text_id("4"): "4"}, [text_id("4")]))
    assert live.results().left_out == {}, "the numbers are of it still"
    results = apply(live, tree)
    assert list(results.left_out) == [text_id("4")]
    assert_same(as_if_there_were_none(results), apply(fresh_corpus(model, tmp_path / "other"), CALM_AND_SAD))


def test_what_is_forgotten_is_tried_again(tmp_path: Path, tried: list[str]) -> None:
    live = fresh_corpus(spoilt(), tmp_path)
    tree: Tree = CALM_AND_SAD | {"e": ("sad", OUT_OF_RANGE)}
    apply(live, tree)
    apply(live, CALM_AND_SAD)
    live.forget([text_id(OUT_OF_RANGE)])
    tried.clear()
    apply(live, tree)
    assert tried == [OUT_OF_RANGE]


def test_nothing_of_it_is_stored(tmp_path: Path, tried: list[str]) -> None:
    tree: Tree = CALM_AND_SAD | {"e": ("sad", NAN)}
    apply(fresh_corpus(spoilt(), tmp_path), tree)
    tried.clear()
    assert apply(fresh_corpus(spoilt(), tmp_path), tree).left_out
    assert tried == [NAN], "another run tries it, and takes the others from the store"


def test_preparing_tells_of_it_as_done_with(tmp_path: Path, tried: list[str]) -> None:
    live = fresh_corpus(spoilt(), tmp_path)
    tree: Tree = CALM_AND_SAD | {"e": ("sad", NAN)}
    steps = list(live.prepare(texts(tree)))
    assert {i for step in steps for i in step.ids} == texts(tree).keys()
    assert (steps[-1].done, steps[-1].total) == (5, 5)
    tried.clear()
    assert apply(live, tree).left_out
    assert tried == []


# A model that is at fault itself


def test_all_of_them_is_the_models_fault_and_a_mended_one_goes_on(tmp_path: Path) -> None:
    live = fresh_corpus(spoilt(), tmp_path)
    bad: Tree = {"a": ("calm", NAN), "b": ("sad", NAN), "c": ("sad", WORD)}
    with pytest.raises(AmygdalaError, match="spoilt cannot take any of 2 stories, so the fault is its own"):
        apply(live, bad)
    results = apply(live, bad | {"b": ("sad", "1"), "d": (None, "2")})
    assert [quality.concept for quality in results.concepts] == ["sad"]
    assert len(results.left_out) == 2


def test_a_model_that_takes_nothing_is_given_up_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "REFUSALS", 5)
    chosen = msgspec.structs.replace(SETTINGS, batch_size=2)
    many: Tree = {f"{i}": ("calm", f"{100 + i}") for i in range(20)}
    live = fresh_corpus(spoilt(), tmp_path, chosen)
    steps: list[Step] = []
    with pytest.raises(AmygdalaError, match="cannot take any of 5 stories"):
        steps.extend(live.prepare(texts(many)))
    assert sum(len(step.ids) for step in steps) == 4
    results = apply(live, CALM_AND_SAD)
    assert apply(live, CALM_AND_SAD | many).left_out.keys() == texts(many).keys(), "one that takes some is not given up"
    assert results.left_out == {}


def test_where_only_baselines_are_left_an_export_says_why(tmp_path: Path) -> None:
    live = fresh_corpus(spoilt(), tmp_path)
    apply(live, {"a": ("calm", NAN), "b": (None, "1")})
    with pytest.raises(AmygdalaError, match="nothing to export; a story is left out: its activations are not finite"):
        live.readout()


# The sweep that chooses blocks


def test_a_sweep_reads_the_others(tmp_path: Path) -> None:
    model, auto = spoilt(), msgspec.structs.replace(SETTINGS, target_layers="auto")
    tree: Tree = {f"{i}": (CONCEPTS[i % 2], f"{i}") for i in range(8)}
    mixed: Tree = tree | {"x": ("calm", NAN), "y": ("brave", WORD)}
    told: list[tuple[int, int]] = []
    chosen = [
        layers_for(model, auto, Store(tmp_path / name), placed(stories), texts(stories), lambda *now: told.append(now))
        for name, stories in (("one", tree), ("other", mixed))
    ]
    assert chosen[0] == chosen[1]
    assert told[-1] == (10, 10)
    bad: Tree = {"x": ("calm", NAN), "y": ("brave", WORD)}
    with pytest.raises(AmygdalaError, match="spoilt cannot take any of 2 stories"):
        layers_for(model, auto, Store(tmp_path), placed(bad), texts(bad))


# Drafts


def test_a_draft_that_the_model_cannot_take_leaves_no_trace(
    tmp_path: Path, unknowing_llama: LoadedModel, tried: list[str]
) -> None:
    live, tree = drafted(tmp_path, unknowing_llama)
    before = live.results()
    for text in (UNKNOWN, PANIC):
        with pytest.raises(AmygdalaError, match="the model cannot take the story"):
            run(live.score(text, text_id(text), text_id(tree["a"][1]), "calm", ["calm"]))
    tried.clear()
    assert live.results() == before
    apply(live, tree)
    assert tried == []


def test_a_draft_stands_in_the_place_of_a_story_that_is_left_out(tmp_path: Path, unknowing_llama: LoadedModel) -> None:
    live, tree = drafted(tmp_path, unknowing_llama)
    draft = run(live.score("Oh.", text_id("Oh."), text_id(tree["d"][1]), "sad", ["sad"]))
    assert draft.before is not None
    assert draft.after is not None
    assert (draft.before.n_positive_stories, draft.after.n_positive_stories) == (1, 2)
    exact = apply(live, tree | {"d": ("sad", "Oh.")})
    assert draft.own == pytest.approx(next(fit.own for fit in exact.fits if fit.text_id == text_id("Oh.")), abs=1e-6)


def drafted(tmp_path: Path, model: LoadedModel) -> tuple[LiveCorpus, Tree]:
    tree: Tree = {
        "a": ("calm", "The lake lay still."), "b": ("sad", "No one came."), "c": (None, "He sat."),
        "d": ("sad", f"{UNKNOWN} Hm."),
    }  # fmt: skip
    live = LiveCorpus(model, Settings(model="llama", target_layers="1,2", device="cpu"), Store(tmp_path))
    live.apply(placed(tree), texts(tree), tally=Tally())
    return live, tree
