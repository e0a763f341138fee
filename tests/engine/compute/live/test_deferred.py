"""Between a change and its settling: what is cheap is exact, what is expensive is within its bound, and steps yield."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.compute.activations.store import Store
from engine.compute.live import deferred
from engine.compute.live.corpus import LiveCorpus
from engine.compute.live.deferred import DirectionKeeper
from engine.compute.live.gathering import Step
from engine.compute.live.spaces import Spaces
from engine.compute.model.loaded import LoadedModel
from engine.compute.statistics.steps import run
from engine.corpus import Layout, scan, text_id
from engine.errors import AmygdalaError
from engine.results import ConceptQuality, LayerQuality, Null, Results
from engine.settings import Settings
from engine.wire.jobs import Placement
from tests.engine.compute.live.comparing import assert_same
from tests.engine.compute.live.lookup import lookup_model
from tests.engine.compute.live.trees import NO_FUNCTION_SCOPE, TREES, Tree, counted, fresh_corpus, placed, table, texts
from tests.places import GOLDEN

MANY: Tree = {
    f"{concept}{number}": (concept, str(3 * place + number))
    for place, concept in enumerate(("angry", "calm", "sad", None))
    for number in range(3)
}


OF_STORIES = [name for name in LayerQuality.__struct_fields__ if name.startswith("story_")]
"""How a concept's stories lie to its direction."""


def change(live: LiveCorpus, tree: Tree) -> Results:
    """A change that is not settled."""
    return run(live.change(placed(tree), texts(tree)))


def at_once(results: Results, pairs: set[tuple[str, str]], affected: set[str]) -> Results:
    """What must be exact before it is settled: the middle layer without its expensive numbers, how stories lie to the
    directions of affected concepts, and the fits of pairs that a change brought."""
    nothing = Null(low=0.0, mean=0.0, high=0.0)
    middle = results.middle
    concepts = [
        replace(
            quality,
            first_pc_null=nothing,
            r_squared_null=None,
            settled=True,
            outliers=quality.outliers if quality.concept in affected else [],
            per_layer={
                middle: replace(
                    quality.per_layer[middle],
                    best_neuron_idx=None,
                    best_neuron_cosine=None,
                    top5_neurons=[],
                    **({} if quality.concept in affected else dict.fromkeys(OF_STORIES, 0.0)),
                )
            },
            linear_combination={middle: quality.linear_combination[middle]},
            per_head={block: heads for block, heads in quality.per_head.items() if block == middle},
        )
        for quality in results.concepts
    ]
    fits = [fit for fit in results.fits if (fit.text_id, fit.concept) in pairs]
    return replace(results, concepts=concepts, fits=fits, stories_are_settled=True)


def pairs_of(tree: Tree) -> set[tuple[str, str]]:
    """Every (text, concept) pair."""
    return {(place.text_id, place.concept) for place in placed(tree) if place.concept is not None}


@NO_FUNCTION_SCOPE
@given(trees=st.lists(TREES, min_size=2, max_size=5))
def test_what_is_cheap_is_exact_before_settling_and_the_rest_after(
    tmp_path_factory: pytest.TempPathFactory, trees: list[Tree]
) -> None:
    model = lookup_model(table())
    folder = tmp_path_factory.mktemp("settling")
    live = fresh_corpus(model, folder)
    earlier: set[tuple[str, str]] = set()
    for tree in trees:
        results = change(live, tree)
        exact = fresh_corpus(model, folder).apply(placed(tree), texts(tree))
        told = {(fit.text_id, fit.concept) for fit in results.fits}
        with_vector = {quality.concept for quality in exact.concepts}
        assert told >= {pair for pair in pairs_of(tree) - earlier if pair[1] in with_vector}
        affected = {concept for _, concept in pairs_of(tree) ^ earlier}
        assert_same(at_once(results, told, affected), at_once(exact, told, affected))
        earlier = pairs_of(tree)
    settled = run(live.settle()) or results
    assert all(quality.settled for quality in settled.concepts)
    assert_same(settled, exact)
    assert run(live.settle()) is None


def test_how_other_concepts_stories_lie_waits_until_it_settles(tmp_path: Path) -> None:
    model = lookup_model(table())
    live = fresh_corpus(model, tmp_path)
    before = {quality.concept: quality for quality in live.apply(placed(MANY), texts(MANY)).concepts}
    tree = MANY | {"angry0": ("angry", "12")}
    edited, exact = change(live, tree), fresh_corpus(model, tmp_path).apply(placed(tree), texts(tree))
    middle = edited.middle

    def of_stories(quality: ConceptQuality) -> list[float | None]:
        return [getattr(quality.per_layer[middle], name) for name in OF_STORIES]

    for now, true in zip(edited.concepts, exact.concepts, strict=True):
        is_edited = now.concept == "angry"
        assert of_stories(now) == pytest.approx(of_stories(true if is_edited else before[now.concept]), abs=1e-9)
        assert of_stories(true) != pytest.approx(of_stories(before[now.concept]), abs=1e-4)
        assert not now.settled
    assert_same(run(live.settle()) or edited, exact)


def settled(results: Results) -> dict[str, bool]:
    return {quality.concept: quality.settled for quality in results.concepts}


def test_affected_concepts_get_their_neurons_at_once_and_others_when_they_turned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred, "TOLERANCE", 10.0)  # no direction turns by so much
    monkeypatch.setattr(deferred, "SHARE_CHANGED", 10.0)
    live = fresh_corpus(lookup_model(table()), tmp_path)
    before = {quality.concept: quality for quality in live.apply(placed(MANY), texts(MANY)).concepts}
    tree = MANY | {"angry0": ("angry", "11")}
    results = change(live, tree)
    after = {quality.concept: quality for quality in results.concepts}
    exact = {
        q.concept: q for q in fresh_corpus(lookup_model(table()), tmp_path).apply(placed(tree), texts(tree)).concepts
    }

    def neurons(quality: ConceptQuality) -> list[tuple[int, float]]:
        return quality.per_layer[results.middle].top5_neurons

    assert neurons(after["angry"]) == neurons(exact["angry"])
    assert neurons(after["sad"]) == neurons(before["sad"]) != neurons(exact["sad"])
    assert settled(results) == {"angry": False, "calm": False, "sad": False}
    assert after["sad"].first_pc_null == before["sad"].first_pc_null


def test_neurons_of_a_direction_that_turned_are_looked_up_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred, "TOLERANCE", 1e-12)
    live = fresh_corpus(lookup_model(table()), tmp_path)
    live.apply(placed(MANY), texts(MANY))
    tree = MANY | {"angry0": ("angry", "11")}
    results = change(live, tree)
    exact = fresh_corpus(lookup_model(table()), tmp_path).apply(placed(tree), texts(tree))
    for mine, theirs in zip(results.concepts, exact.concepts, strict=True):
        assert mine.per_layer[results.middle].top5_neurons == theirs.per_layer[results.middle].top5_neurons


def test_other_layers_and_other_stories_follow_when_they_settle(tmp_path: Path) -> None:
    live = fresh_corpus(lookup_model(table()), tmp_path)
    before = live.apply(placed(MANY), texts(MANY))
    tree = MANY | {"angry0": ("angry", "11")}
    results = change(live, tree)
    exact = fresh_corpus(lookup_model(table()), tmp_path).apply(placed(tree), texts(tree))
    last = results.layers[-1]
    assert [quality.per_layer[last] for quality in results.concepts] == [
        quality.per_layer[last] for quality in before.concepts
    ]
    assert [(fit.text_id, fit.concept) for fit in results.fits] == [(text_id("11"), "angry")]
    assert not results.stories_are_settled
    settled_results = run(live.settle())
    assert settled_results is not None
    assert settled_results.stories_are_settled
    assert_same(settled_results, exact)


def test_a_change_during_settling_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred, "TOLERANCE", 10.0)
    live = fresh_corpus(lookup_model(table()), tmp_path)
    live.apply(placed(MANY), texts(MANY))
    change(live, MANY | {"angry0": ("angry", "11")})
    settling_it = live.settle()
    assert next(settling_it) == Step()
    results = change(live, MANY)
    assert run(settling_it) is None
    exact = fresh_corpus(lookup_model(table()), tmp_path).apply(placed(MANY), texts(MANY))
    assert_same(run(live.settle()) or results, exact)


def test_a_change_can_be_dropped_between_its_steps(tmp_path: Path) -> None:
    live = fresh_corpus(lookup_model(table()), tmp_path, Settings(model="lookup", target_layers="0,1", batch_size=1))
    small = {path: MANY[path] for path in ("angry0", "calm0", "sad0", "sad1")}
    before = live.apply(placed(small), texts(small))
    started = live.change(placed(MANY), texts(MANY))
    next(started)
    started.close()
    again, n_run = counted(live, small)
    assert_same(again, before)
    assert n_run == 0


def test_prepared_texts_are_taken_by_the_change_that_follows(tmp_path: Path) -> None:
    live = fresh_corpus(lookup_model(table()), tmp_path, Settings(model="lookup", target_layers="0,1", batch_size=2))
    before = live.apply(placed(MANY), texts(MANY))
    more: Tree = {"new": ("calm", "11"), "newer": ("sad", "10")}
    steps = list(live.prepare(texts(more) | texts(MANY)))
    assert {i for step in steps for i in step.ids} == set()  # all twelve were known
    fresh = [text_id("0"), text_id("1"), text_id("2")]
    steps = list(live.prepare(texts(MANY), fresh))
    assert sorted(i for step in steps for i in step.ids) == sorted(fresh)
    assert steps[-1].done == steps[-1].total == 3
    again, n_run = counted(live, MANY)
    assert_same(again, before)
    assert n_run == 0


@given(
    texts_now=st.lists(st.integers(0, 11), min_size=4, max_size=10, unique=True),
    replaced=st.integers(0, 3),
    seed=st.integers(0, 5),
)
def test_bound_on_a_filtered_direction_holds(texts_now: list[int], replaced: int, seed: int) -> None:
    """Whatever negatives come and go, the direction turns by no more than the bound says."""
    hidden, generator = 6, torch.Generator().manual_seed(seed)
    tokens = {str(i): torch.randn(1, 4, hidden, generator=generator) for i in range(12)}
    pooled = {i: part.mean(1).double() for i, part in tokens.items()}
    spaces = Spaces(1, hidden, None, torch.device("cpu"))
    keeper = DirectionKeeper(Settings(method="subspace"))

    def point(negatives: list[str], came: int, went: int) -> tuple[torch.Tensor, float]:
        cells = {("calm",): ("0", "1"), (): tuple(sorted(negatives))}
        for text in spaces.begin(cells, ()):
            spaces.add(text, tokens[text])
        spaces.finish()
        positive = torch.stack([pooled[i] for i in ("0", "1")]).mean(0)
        d0 = (positive - torch.stack([pooled[i] for i in negatives]).mean(0))[:, None]
        keeper._added += came
        keeper._removed += went
        bound = keeper._may_have_turned("calm", d0[:, 0], spaces)
        exact = DirectionKeeper(Settings(method="subspace")).at(["calm"], lambda: (), d0, spaces, ())
        keeper._kept.setdefault("calm", exact_solved(exact.directions, d0, keeper))
        return exact.directions[0, 0], bound

    others = [str(i) for i in texts_now if i > 1]
    if len(others) < 2:
        return
    first, _ = point(others, 0, 0)
    gone = min(replaced, len(others) - 1)
    fresh = [str(i) for i in range(2, 12) if str(i) not in others][:replaced]
    second, bound = point(sorted(others[gone:] + fresh), len(fresh), gone)
    cosine = float(torch.cosine_similarity(first, second, dim=0))
    assert (1 - min(1.0, cosine) ** 2) ** 0.5 <= bound + 1e-6  # what rounding leaves of 1 - cos²


def exact_solved(directions: torch.Tensor, d0: torch.Tensor, keeper: DirectionKeeper) -> deferred._Solved:
    return deferred._Solved(directions[:, 0], [[0.0]], d0[:, 0], keeper._added, keeper._removed)


# Drafts


def golden_corpus(
    model: LoadedModel, folder: Path, **overrides: Any
) -> tuple[LiveCorpus, list[Placement], dict[str, str]]:
    settings = Settings(model=str(GOLDEN / "models" / "llama"), device="cpu", target_layers="1,2,4", **overrides)
    stories = scan(Layout.of(GOLDEN / "corpus")).stories
    live = LiveCorpus(model, settings, Store(folder))
    return live, [Placement(s.text_id, s.concept, s.scenario) for s in stories], {s.text_id: s.text for s in stories}


DRAFT = "The kettle sang, and so did she. Nobody else was up yet. It did not matter."


@pytest.mark.parametrize(
    "given_settings", [{}, {"pooling": "mean"}, {"method": "whitened"}], ids=["last", "mean", "whitened"]
)
def test_a_draft_is_told_what_saving_it_would_come_to(
    llama: LoadedModel, tmp_path: Path, given_settings: dict[str, object]
) -> None:
    live, placements, bodies = golden_corpus(llama, tmp_path, **given_settings)
    before = live.apply(placements, bodies)
    old = next(placement for placement in placements if placement.concept == "joyful")
    draft = run(live.score(DRAFT, text_id(DRAFT), old.text_id, "joyful", ["joyful", "weary", "nosuch"]))
    assert draft.before == next(quality for quality in before.concepts if quality.concept == "joyful")
    assert_same(live.results(), before)
    saved = [Placement(text_id(DRAFT), "joyful") if placement is old else placement for placement in placements]
    after = live.apply(saved, bodies | {text_id(DRAFT): DRAFT})
    fit = next(fit for fit in after.fits if fit.text_id == text_id(DRAFT))
    assert draft.alignment == pytest.approx(fit.alignment, abs=1e-5)
    assert draft.own == pytest.approx(fit.own, abs=1e-5)
    assert draft.rival == fit.rival
    assert draft.rival_score == pytest.approx(fit.rival_score, abs=1e-5)
    assert draft.margin == pytest.approx((fit.own or 0) - fit.rival_score, abs=1e-5)
    joyful = next(quality for quality in after.concepts if quality.concept == "joyful")
    assert draft.after is not None
    assert draft.after.n_positive_stories == joyful.n_positive_stories
    assert draft.after.headline(2) == pytest.approx(joyful.headline(2), abs=1e-5)
    assert draft.after.per_layer[2].best_neuron_cosine == pytest.approx(
        joyful.per_layer[2].best_neuron_cosine, abs=1e-5
    )


def test_tokens_and_sentences_of_a_draft_add_up(llama: LoadedModel, tmp_path: Path) -> None:
    live, placements, bodies = golden_corpus(llama, tmp_path, pooling="mean")
    live.apply(placements, bodies)
    draft = run(live.score(DRAFT, text_id(DRAFT), None, "joyful", ["joyful", "weary", "nosuch"]))
    assert draft.concepts == ["joyful", "weary"]
    assert [DRAFT[reading.start : reading.end] for reading in draft.sentences] == [
        "The kettle sang, and so did she.", "Nobody else was up yet.", "It did not matter.",
    ]  # fmt: skip
    trace = live.extractor.trace(DRAFT)
    rows = torch.stack([live._state.rows.take([i])[1, 0] for i in live._state.view.text_ids]).double()
    centre = rows.mean(0)
    scale = (rows - centre).square().sum(1).mean().sqrt()
    joyful = live._evaluation.directions[1, live._evaluation.names.index("joyful")]
    whole = float((trace.activation.x[1].double() - centre) @ joyful / scale)
    values = [reading.values[0] for reading in draft.tokens]
    assert sum(values) / len(values) == pytest.approx(whole, abs=1e-5)
    first = draft.sentences[0]
    inside = [r.values[0] for r in draft.tokens if r.start < first.end and r.end > r.start]
    assert first.values[0] == pytest.approx(sum(inside) / len(inside), abs=1e-9)


def test_a_new_story_can_be_drafted_under_a_new_concept(llama: LoadedModel, tmp_path: Path) -> None:
    live, placements, bodies = golden_corpus(llama, tmp_path)
    live.apply(placements, bodies)
    draft = run(live.score(DRAFT, text_id(DRAFT), None, "brandnew", ["joyful"]))
    assert draft.before is None
    assert draft.after is not None
    assert draft.after.n_positive_stories == 1
    assert draft.own is None  # without its only story there is no such concept
    assert not draft.truncated


def test_a_draft_by_subspaces_is_read_by_directions_as_they_are(llama: LoadedModel, tmp_path: Path) -> None:
    live, placements, bodies = golden_corpus(llama, tmp_path, method="subspace", subspace_k=16)
    before = live.apply(placements, bodies)
    old = next(placement for placement in placements if placement.concept == "joyful")
    draft = run(live.score(DRAFT, text_id(DRAFT), old.text_id, "joyful", ["joyful"]))
    assert draft.after is None
    assert draft.before is not None
    assert draft.own is not None
    assert_same(live.apply(placements, bodies), before)


def test_draft_before_there_are_numbers_is_refused_with_words(llama: LoadedModel, tmp_path: Path) -> None:
    live, _, _ = golden_corpus(llama, tmp_path)
    with pytest.raises(AmygdalaError, match="no concept has a vector"):
        run(live.score(DRAFT, text_id(DRAFT), None, "joyful", []))
