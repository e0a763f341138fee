"""What a computation says about a corpus: plain numbers, free of torch, ready for the wire and for JSON.

Names and shapes of `LayerQuality` and `LinearCombination` are those of `quality.json`.
"""

from __future__ import annotations

import msgspec

from engine.evidence import ConceptEvidence, Evidence, Ranked, StoryEffect


class LayerQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Quality of one concept's direction `d` at one layer; `x_i` are its stories' activations."""

    first_pc_variance_ratio: float
    top3_variance_ratios: list[float]
    story_projection_mean: float
    story_projection_std: float | None
    """Unbiased; None for a single story."""
    story_projection_min: float
    story_projection_max: float
    story_alignment_mean: float
    story_alignment_std: float
    best_neuron_idx: int | None
    """Column of the MLP's down projections closest to `d`, numbered through all experts; None where none were found."""
    best_neuron_cosine: float | None
    top5_neurons: list[tuple[int, float]]


class LinearCombination(msgspec.Struct, frozen=True, kw_only=True):
    """Ridge regression of one direction on all the others."""

    r_squared: float
    residual_norm: float
    top_contributors: list[Ranked]


class HeadQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Which attention heads tell a concept's stories from the others, at one layer."""

    n_heads: int
    head_dim: int
    top_heads: list[tuple[int, float, float]]
    """The ten most selective heads as (head, norm, selectivity). The norm is that of the difference of means; the
    selectivity is this norm over the norm of the standard deviations among the other texts."""
    head_concentration: float
    """Share of all heads' norms that `top_heads` have."""


class Null(msgspec.Struct, frozen=True, kw_only=True):
    """What a number would be if labels meant nothing: 5 % quantile, mean and 95 % quantile over shuffled labels."""

    low: float
    mean: float
    high: float


class ConceptNulls(msgspec.Struct, frozen=True, kw_only=True):
    """What a concept's numbers would be if its label meant nothing, at the middle target layer."""

    first_pc: Null
    r_squared: Null | None
    """None unless the method is pooled, by which the null's directions are made."""


class StoryFit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How one text sits in its concept, at the middle target layer."""

    text_id: str
    concept: str
    alignment: float
    """Cosine of `x_i - mean(P_c)` with the concept's direction: `quality.json`'s measure."""
    own: float | None
    """Cosine of `x_i - mean(all texts)` with the concept's direction made without this text; None for its only text."""
    rival: str | None
    """The other concept that reads this text highest, its direction made without this text; None if there is none."""
    rival_score: float
    """As `own`, for the rival."""


class ConceptQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `quality.json` says of one concept; layer keys are block indices."""

    concept: str
    n_positive_stories: int
    per_layer: dict[int, LayerQuality]
    linear_combination: dict[int, LinearCombination]
    per_head: dict[int, HeadQuality] = {}
    """Only layers whose attention output projection was found."""
    subspace_eigvals: dict[int, list[float]] = {}
    """Method subspace: the top 20 eigenvalues of the difference of mean projectors, descending."""
    first_pc_null: Null
    """The first-PC ratio of as many stories drawn from the whole corpus, at the middle target layer."""
    r_squared_null: Null | None
    """R² where stories are dealt to concepts at random, at the middle target layer; only for the method pooled."""
    nearest_concepts: list[Ranked]
    """At the middle target layer: the five closest directions with their cosines."""
    outliers: list[tuple[str, float]]
    """At the middle target layer: the two lowest alignments, as (text id, alignment); empty for one story."""
    settled: bool = True
    """Whether the expensive numbers (neurons, nulls, subspaces) are of the current texts, and not of slightly earlier
    ones (`engine.compute.live.deferred`)."""

    def headline(self, layer: int) -> tuple[float, float | None, float]:
        """The three numbers that decide a bucket: first-PC ratio, cosine of the nearest concept (if any), R²."""
        nearest = self.nearest_concepts[0][1] if self.nearest_concepts else None
        return self.per_layer[layer].first_pc_variance_ratio, nearest, self.linear_combination[layer].r_squared


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What made a set of vectors, besides stories and settings."""

    model_hash: str
    tokenizer_hash: str
    kind: str
    """The model's type as transformers names it."""
    pooling: str
    dtype: str
    directions: str
    """What the vectors are, in words."""


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """What one token, or one sentence, carries of each concept asked for."""

    start: int
    """First character of the token or sentence in the text; tokens that stand for no text begin and end at 0."""
    end: int
    """The character after the last."""
    values: list[float]
    """Per concept: `(h - mean of all texts) . d`, as a share of the root mean square length of the corpus's texts about
    that mean. With mean pooling, the mean of the tokens' values is the text's."""


class SentenceEffect(msgspec.Struct, frozen=True, array_like=True):
    """What one sentence does to how its story reads, all target layers together, in log odds.

    Both numbers are what it adds beside what it adds to all concepts on average.
    """

    own: float
    """To its own concept."""
    rival: float
    """To `Evidence.reads_as`."""
    is_reread: bool
    """Whether the rest of the story went through the model without it; else predicted from its tokens."""

    @property
    def pull(self) -> float:
        """Towards the rival: how far the log odds of the own concept against it rise without the sentence."""
        return self.rival - self.own


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One feature of its wording in which a story differs from the others of its concept."""

    feature: str
    """A common word, or: `length`, `sentence length`, `speech`, `?`, `!`, `-ed`, or a person such as `he`."""
    is_word: bool
    """Whether it is a common word."""
    amount: float
    """Words for lengths, per cent of the text for speech, else how often it stands in the story."""
    usual: tuple[float, float]
    """Between what amounts four fifths of the others lie; counts are those of as many words as the story has."""


class OtherNarrator(msgspec.Struct, frozen=True, kw_only=True):
    """A story that another person tells than most of its concept's others."""

    person: str | None
    """Who tells it: I, we, you, he, she or they; None where nobody is named often enough."""
    usual: str
    """Who tells most of the others."""
    n_usual: int
    """How many of them."""


class CopyOf(msgspec.Struct, frozen=True, kw_only=True):
    """Another story that shares most of a text's wording."""

    text_id: str
    concept: str | None
    """None for a baseline."""
    scenario: str | None
    share: float
    """Shared word trigrams over those of the text that has fewer."""
    passages: list[tuple[int, int]]
    """Where the longest shared passages stand in this text, longest first."""


class Prose(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said of a text by reading it beside the others, without a model."""

    n_others: int
    """The other stories of its concept that it is compared with; 0 where they are too few."""
    differences: list[Difference]
    """What sets it apart from them, the farthest first."""
    narrator: OtherNarrator | None
    """None where its narrator is the usual one, or none is usual."""
    copies: list[CopyOf]
    """The closest first."""
    giveaways: list[tuple[int, int]]
    """Where it says the name of its concept."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """How a text that is not on disk would do in place of a story, at the middle target layer."""

    concepts: list[str]
    """The concepts that `tokens` and `sentences` have values of, in this order."""
    tokens: list[Reading]
    sentences: list[Reading]
    truncated: bool
    alignment: float | None
    """As `StoryFit.alignment`; None where its concept has no vector."""
    own: float | None
    rival: str | None
    rival_score: float | None
    margin: float | None
    """`own - rival_score`: below zero, the rival reads it higher than its own concept."""
    evidence: Evidence | None = None
    """How it is judged; None until the corpus's stories were judged."""
    effects: list[SentenceEffect] | None = None
    """Of each of `sentences`, where it was asked for and the draft is flagged; None too where nothing can be told."""
    prose: Prose | None = None
    """What sets its wording apart; None unless it was asked for."""
    before: ConceptQuality | None
    """The concept as it is; None without a vector."""
    after: ConceptQuality | None
    """The concept as it would become; None without a vector, and for the method subspace, which costs too much here."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a computation cost."""

    texts_run: int = 0
    """Texts that went through the model."""
    texts_cached: int = 0
    """Texts whose activations came from the store."""
    seconds_forward: float = 0.0
    seconds_statistics: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one corpus under one model, after one `apply`."""

    layers: list[int]
    hidden_size: int
    concepts: list[ConceptQuality]
    """Sorted by name; only those that have a vector."""
    fits: list[StoryFit]
    """One for each (text, concept) pair."""
    evidence: list[Evidence] = []
    """One for each story, by concept, scenario and text; none where the state has never been settled."""
    concept_evidence: list[ConceptEvidence] = []
    """One for each concept that has stories, sorted by name; of the state that was last settled, so of the current
    texts where `are_settled`, and of slightly earlier ones elsewhere."""
    story_effects: list[StoryEffect] = []
    """One for each story of which it can be told, by concept, from the one that harms most to the best; none where
    stories are not settled."""
    stories_are_settled: bool = True
    """Whether `fits` and `evidence` are of all stories. If not, they tell only of stories that the last change touched:
    the others moved by a hair, and keep what was told of them before."""
    without_vector: dict[str, str]
    """Concepts that get no vector, each with the reason."""
    without_subspace: list[str] = []
    """Method subspace: ids of texts that are left out of the subspaces. They have as many tokens as the model has
    dimensions, so they span everything, and that tells them from no other text."""
    left_out: dict[str, str] = {}
    """Texts that the model cannot take, by id, each with the reason; they count nowhere."""
    truncated: list[str]
    """Ids of texts longer than `max_tokens`."""
    max_tokens: int
    """Tokens read of a text: `max_length`, or what the model takes if that is less."""
    model_hash: str = ""
    """What identifies the model."""

    @property
    def are_settled(self) -> bool:
        """Whether all numbers are of the current texts."""
        return self.stories_are_settled and all(quality.settled for quality in self.concepts)

    @property
    def fit_of(self) -> dict[tuple[str, str], StoryFit]:
        """The fits by text id and concept."""
        return {(fit.text_id, fit.concept): fit for fit in self.fits}

    @property
    def middle(self) -> int:
        """The layer that triage reads: the middle of the target layers."""
        return middle_layer(self.layers)


def middle_layer(layers: list[int]) -> int:
    """The target layer that stands for all where one number is shown: `layers[len(layers) // 2]`."""
    return layers[len(layers) // 2]
