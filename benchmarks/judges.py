"""Who says which stories, or concepts, of a corpus are faulty: the engine's judgement, and what it is compared with.

Each judge scores every story (or concept), the higher the worse, and flags some.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from benchmarks.planting import Draw
from engine.compute.statistics.directions import contrast, difference, normalise, row_sum, shipped
from engine.compute.statistics.evidence.discriminant import Spanned, discriminant
from engine.compute.statistics.evidence.judging import State, judge
from engine.compute.statistics.evidence.likelihood import others_only
from engine.compute.statistics.evidence.readouts import concept_readouts
from engine.compute.statistics.evidence.stories import UNPAIRED, groups
from engine.compute.statistics.evidence.two_groups import SURE_AT, concept_projections, two_groups
from engine.compute.statistics.leave_one_out import leave_one_out
from engine.compute.statistics.quality import Centred, measure
from engine.prose.copies import Copies
from engine.prose.words import Told

SIMPLE_SHRINKAGE = 3.0
FOLDS = 5
ITERATIONS = 1000
"""Logistic regression ends far below."""
HAS_CLEANLAB = importlib.util.find_spec("cleanlab") is not None


@dataclass(frozen=True)
class Verdicts:
    """What a judge says of n stories or concepts."""

    scores: Tensor
    """The higher, the worse; NaN of what it cannot tell: `[n]`."""
    flagged: Tensor
    """`[n]`, bool."""


def by_evidence(drawn: Draw) -> tuple[Verdicts, State]:
    """The engine's: the misfit of each story; and the state that it is from."""
    state = judge(drawn.stories)
    return Verdicts(state.judgement.misfit, state.judgement.flagged), state


def by_alignment(drawn: Draw) -> Verdicts:
    """The classic list of outliers, at the middle layer, followed by all other stories by alignment.

    Flagged is what stands on the list: misread stories, and each concept's two lowest alignments where below zero.
    """
    concepts, n_concepts = drawn.stories.concepts, drawn.stories.n_concepts
    rows = drawn.stories.rows[len(drawn.stories.rows) // 2]
    of_concepts = [rows[None, concepts == c] for c in range(n_concepts)]
    counts = [group.shape[1] for group in of_concepts]
    summed = contrast([row_sum(group) for group in of_concepts], counts, row_sum(rows[None]), len(rows))
    directions = shipped(normalise(difference(summed)))[0]
    alignments = torch.zeros(len(rows), dtype=torch.float64)
    listed = torch.zeros(len(rows), dtype=torch.bool)
    for c, group in enumerate(of_concepts):
        places = (concepts == c).nonzero()[:, 0]
        measures = measure(Centred.of(group), 0, directions[c])
        alignments[places] = measures.alignments
        for i, alignment in measures.lowest:
            listed[places[i]] = alignment < 0
    member = one_hot(concepts, n_concepts).bool()
    scores = leave_one_out(rows, member)
    own, rival = scores[member], scores.masked_fill(member | scores.isnan(), -torch.inf).amax(1)
    misread = (own < 0) & (rival > 0)
    # Alignments lie within 1, so that every misread story comes before all others.
    return Verdicts(torch.where(misread, 1 + rival - own, -alignments), misread | listed)


def by_margin(drawn: Draw) -> Verdicts:
    """Whitened directions at λ = 3, each story left out alone: the best other concept's cosine less that of its own.

    Cosines are summed over layers. Flagged where another concept leads.
    """
    stories = drawn.stories
    n, n_concepts = len(stories), stories.n_concepts
    weights, alone = torch.ones(n, dtype=torch.float64), groups(torch.full((n,), UNPAIRED))
    cosines = torch.zeros(n, n_concepts, dtype=torch.float64)
    for layer in stories.rows.double():
        rows = Spanned.of(layer - layer.mean(0))
        made = discriminant(rows, stories.concepts, n_concepts, weights, alone, layer.shape[1])
        parts = made.parts(made.at(SIMPLE_SHRINKAGE))
        cosines += (parts.zm / (parts.zz * parts.mm).sqrt()).nan_to_num(-1.0)
    lead = others_only(cosines, stories.concepts).amax(1) - cosines.gather(1, stories.concepts[:, None])[:, 0]
    return Verdicts(lead, lead > 0)


def by_cleanlab(drawn: Draw) -> Verdicts:
    """Cleanlab's: its label quality and its issues, from out-of-fold probabilities of a logistic regression.

    The regression reads all layers, standardised. Folds keep a scenario's stories together.

    Raises:
        ImportError: it is not installed.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    stories = drawn.stories
    rows = stories.rows.movedim(0, 1).flatten(1).numpy()
    labels = stories.concepts.numpy()
    together = torch.zeros(len(labels), dtype=torch.int64)
    for number, place in enumerate(p for group in groups(stories.scenarios) for p in group):
        together[place] = number
    n_folds = min(FOLDS, int(stories.counts.max()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # so it is with wrong labels
        probabilities = cross_val_predict(
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS)),
            rows,
            labels,
            groups=together.numpy(),
            cv=StratifiedGroupKFold(n_folds, shuffle=True, random_state=0),
            method="predict_proba",
        )
    return Verdicts(
        -torch.from_numpy(get_label_quality_scores(labels, probabilities)),
        torch.from_numpy(find_label_issues(labels, probabilities)),
    )


def by_copies(drawn: Draw) -> Verdicts:
    """`engine.prose.copies`: the largest share of its wording that a story has in common with a near-copy."""
    copies = Copies({str(i): Told(text, None, None) for i, text in enumerate(drawn.texts)})
    shares = torch.zeros(len(drawn.texts), dtype=torch.float64)
    for pair in copies.pairs:
        for i in (int(pair.one), int(pair.other)):
            shares[i] = max(float(shares[i]), pair.share)
    return Verdicts(shares, shares > 0)


def by_two_groups(drawn: Draw) -> Verdicts:
    """Of concepts: how little chance explains that their stories fall into two groups."""
    reading = judge(drawn.stories).reading
    p_values = torch.full((drawn.stories.n_concepts,), torch.nan, dtype=torch.float64)
    if reading is not None:
        projections = concept_projections(reading.middle)
        for concept in range(drawn.stories.n_concepts):
            groups_of = two_groups(reading.middle, projections, concept)
            if groups_of is not None:
                p_values[concept] = groups_of.p_value
    return Verdicts(-p_values, p_values <= SURE_AT)


def by_rival(drawn: Draw) -> Verdicts:
    """Of concepts: how badly each is told from its rival. Flagged where the interval holds chance, 0.5."""
    against = [readout.rival_auroc for readout in concept_readouts(judge(drawn.stories))]
    values = [torch.nan if auroc is None else auroc.value for auroc in against]
    return Verdicts(
        -torch.tensor(values, dtype=torch.float64),
        torch.tensor([auroc is not None and auroc.low <= 0.5 for auroc in against]),
    )


JUDGES: Mapping[str, Callable[[Draw], Verdicts]] = {
    "alignment": by_alignment,
    "cleanlab": by_cleanlab,
    "margin": by_margin,
}
"""Of stories, beside the evidence."""
DETECTORS: Mapping[str, Callable[[Draw], Verdicts]] = {
    "copies": by_copies,
    "merge": by_two_groups,
    "split": by_rival,
}
"""What looks for one kind of fault alone, by the kind."""
