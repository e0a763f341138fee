"""The rule that judges which story is off, whole: from activations and labels to a judgement and what it rests on.

A story is strange where it lies far from its concept's other stories, and misfiled where a discriminant made without
its scenario reads it as another concept. Settings are chosen by the likelihood of the labels, each story left out;
stories that look wrong lose weight, and it is done again.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.discriminant import Discriminant, Metric, Parts, Spanned, discriminant
from engine.compute.statistics.evidence.judgement import Judgement, judgement, unjudged
from engine.compute.statistics.evidence.label_noise import LabelNoise, label_noise
from engine.compute.statistics.evidence.likelihood import margins, temperature
from engine.compute.statistics.evidence.spaces import WIDE_FROM, Space, less_scenarios
from engine.compute.statistics.evidence.stories import Stories, groups
from engine.compute.statistics.evidence.strangeness import Distances, distances, strangeness
from engine.compute.statistics.evidence.tuning import LayerTuning, Tuning
from engine.compute.statistics.steps import run

SHRINKAGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
PRIORS = (0.5, 2.0, 8.0)
PASSES = 3
USUAL_NOISE = 0.15
"""The share of wrong labels by which stories lose weight between passes."""
LEAST_WEIGHT = 1e-4


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One layer: where its stories lie."""

    space: Space
    mean: Tensor
    """Of all stories' coordinates: `[K]`."""
    rows: Tensor
    """Coordinates less that mean: `[N, K]`, fp64."""
    distances: Distances
    z: Tensor
    """How unusual each story's distance is: `[N]`."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer as stories are judged by it."""

    placed: Placed
    tuning: LayerTuning
    discriminant: Discriminant
    metric: Metric
    scores: Tensor
    """Log scores of all stories, each without its group, tempered: `[N, C]`."""

    def scores_of(self, parts: Parts, own: Tensor) -> Tensor:
        """The same of stories with parts `[n, ...]`, filed under `own` `[n]`."""
        prior = self.scores.new_tensor([self.tuning.prior])
        return self.tuning.temperature * parts.scores(self.metric, prior, own)[0]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What stories are judged by, where anything can be told."""

    tuning: Tuning
    layers: tuple[Layer, ...]
    noise: LabelNoise
    scores: Tensor
    """Log scores, tempered and summed over layers: `[N, C]`."""

    @property
    def middle(self) -> Layer:
        """The layer whose numbers stand for all."""
        return self.layers[len(self.layers) // 2]


@dataclass(frozen=True, kw_only=True)
class State:
    """Stories judged, and what they were judged by."""

    stories: Stories
    judgement: Judgement
    placed: tuple[Placed, ...]
    reading: Reading | None
    """None where nothing can be told: texts all alike, one concept, no concept with stories in two groups."""

    @property
    def error_rate(self) -> float:
        """The expected share of wrong labels; 0 where nothing can be told."""
        return self.reading.noise.rate if self.reading else 0.0


def judge(stories: Stories, tuning: Tuning | None = None) -> State:
    """Judge all stories: `judge_in_steps` to its end."""
    return run(judge_in_steps(stories, tuning))


def judge_in_steps(stories: Stories, tuning: Tuning | None = None) -> Generator[None, None, State]:
    """Judge all stories, layer by layer; other work may go first between two steps.

    Args:
        stories: at least one.
        tuning: what was chosen before, for these stories (`Tuning.carried`): one decomposition a layer. None chooses
            anew, in three passes over several shrinkages.

    Returns:
        With the tuning of a run over the same stories, exactly what that run returned.
    """
    spaces = [Space.of(rows) for rows in stories.rows] if tuning is None else [at.space for at in tuning.layers]
    layers = []
    for rows, space in zip(stories.rows, spaces, strict=True):
        with threads_for(WIDE_FROM):
            layers.append(_place(rows, space, stories))
        yield
    placed = tuple(layers)
    with threads_for(WIDE_FROM):
        strange = strangeness([at.z for at in placed])
        judgeable = stories.judgeable()
    is_flat = all(bool(space.scale.isinf().all()) for space in spaces)
    if is_flat or stories.n_live < 2 or int(judgeable.sum()) < 2:
        nothing = unjudged(strange, stories.concepts, stories.n_concepts)
        return State(stories=stories, judgement=nothing, placed=placed, reading=None)
    work = _Work(stories, placed, strange, judgeable)
    reading = yield from (work.anew() if tuning is None else work.by(tuning))
    verdicts = judgement(reading.scores, stories.concepts, strange, reading.noise, judgeable, stories.counts)
    return State(stories=stories, judgement=verdicts, placed=placed, reading=reading)


def _place(rows: Tensor, space: Space, stories: Stories) -> Placed:
    coordinates = space.coordinates(rows)
    mean = coordinates.mean(0)
    measured, z = distances(rows, space, stories)
    return Placed(space=space, mean=mean, rows=coordinates - mean, distances=measured, z=z)


class _Work:
    """The stories of one judgement, and how layers are decomposed for them."""

    def __init__(self, stories: Stories, placed: Sequence[Placed], strange: Tensor, judgeable: Tensor) -> None:
        self._stories = stories
        self._placed = placed
        self._strange = strange
        self._judgeable = judgeable
        self._groups = groups(stories.scenarios)
        self._rest = [Spanned.of(less_scenarios(at.rows, self._groups)) for at in placed]
        self._layers = range(len(placed))

    def anew(self) -> Generator[None, None, Reading]:
        """All settings chosen by the likelihood of the labels; weights as of the last pass but one decide."""
        weights = (1 - self._strange).clamp_min(LEAST_WEIGHT)
        candidates: list[Sequence[float]] = [SHRINKAGES[::2] for _ in self._layers]
        for passed in range(1, PASSES + 1):
            layers = []
            for index in self._layers:
                layers.append((yield from self._best_layer(index, weights, candidates[index])))
            summed = torch.stack([layer.scores for layer in layers]).sum(0)
            with threads_for(WIDE_FROM):
                best, _ = self._temperature(summed[None], weights)
            if passed < PASSES:
                weights = self._reweighted(best * summed)
                candidates = [_around(layer.tuning.shrinkage) for layer in layers]
        tuning = Tuning(
            layers=tuple(layer.tuning for layer in layers),
            temperature=float(best),
            weights=weights,
            n_chosen_from=len(weights),
        )
        return self._reading(tuning, layers)

    def by(self, tuning: Tuning) -> Generator[None, None, Reading]:
        """Settings as they were; a story without a weight counts as much as it is not strange."""
        weights = torch.where(tuning.weights.isnan(), 1 - self._strange, tuning.weights).clamp_min(LEAST_WEIGHT)
        layers = []
        for index, chosen in enumerate(tuning.layers):
            with threads_for(WIDE_FROM):
                layers.append(self._layer_by(index, chosen, weights))
            yield
        return self._reading(replace(tuning, weights=weights), layers)

    def _layer_by(self, index: int, chosen: LayerTuning, weights: Tensor) -> Layer:
        made = self._discriminant(index, weights)
        metric = made.at(chosen.shrinkage)
        scores = made.parts(metric).scores(metric, weights.new_tensor([chosen.prior]), self._stories.concepts)[0]
        return self._layer(index, chosen, made, metric, chosen.temperature * scores)

    def _best_layer(self, index: int, weights: Tensor, shrinkages: Sequence[float]) -> Generator[None, None, Layer]:
        """The layer at the shrinkage and prior under which the labels are most likely, of equals the first."""
        with threads_for(WIDE_FROM):
            made = self._discriminant(index, weights)
        best: tuple[float, Layer] | None = None
        for shrinkage in shrinkages:
            with threads_for(WIDE_FROM):
                likelihood, layer = self._layer_at(index, made, weights, shrinkage)
            if best is None or likelihood > best[0]:
                best = likelihood, layer
            yield
        assert best is not None
        return best[1]

    def _layer_at(self, index: int, made: Discriminant, weights: Tensor, shrinkage: float) -> tuple[float, Layer]:
        """The layer at the prior under which the labels are most likely, with their log likelihood."""
        metric = made.at(shrinkage)
        scores = made.parts(metric).scores(metric, weights.new_tensor(PRIORS), self._stories.concepts)
        temperatures, likelihoods = self._temperature(scores, weights)
        p = int(likelihoods.argmax())
        chosen = LayerTuning(
            space=self._placed[index].space,
            shrinkage=shrinkage,
            prior=PRIORS[p],
            temperature=float(temperatures[p]),
        )
        return float(likelihoods[p]), self._layer(index, chosen, made, metric, temperatures[p] * scores[p])

    def _temperature(self, scores: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        return temperature(scores, self._stories.concepts, weights * self._judgeable)

    def _discriminant(self, index: int, weights: Tensor) -> Discriminant:
        stories, hidden = self._stories, self._stories.rows.shape[2]
        return discriminant(self._rest[index], stories.concepts, stories.n_concepts, weights, self._groups, hidden)

    def _layer(self, index: int, chosen: LayerTuning, made: Discriminant, metric: Metric, scores: Tensor) -> Layer:
        placed = self._placed[index]
        return Layer(placed=placed, tuning=chosen, discriminant=made, metric=metric, scores=scores)

    def _reweighted(self, scores: Tensor) -> Tensor:
        """Weights that take away what looks strange or misfiled."""
        odds = USUAL_NOISE / ((self._stories.n_concepts - 1) * (1 - USUAL_NOISE))
        wrong = torch.sigmoid(margins(scores, self._stories.concepts) + math.log(odds))
        wrong = torch.where(self._judgeable, wrong, 0.0)
        return ((1 - self._strange) * (1 - wrong)).clamp_min(LEAST_WEIGHT)

    def _reading(self, tuning: Tuning, layers: Sequence[Layer]) -> Reading:
        scores = tuning.temperature * torch.stack([layer.scores for layer in layers]).sum(0)
        with threads_for(WIDE_FROM):
            able = self._judgeable
            noise = label_noise(scores[able], self._stories.concepts[able], 1 - self._strange[able])
        return Reading(tuning=tuning, layers=tuple(layers), noise=noise, scores=scores)


def _around(shrinkage: float) -> Sequence[float]:
    """A shrinkage and its neighbours."""
    index = SHRINKAGES.index(shrinkage)
    return SHRINKAGES[max(index - 1, 0) : index + 2]
