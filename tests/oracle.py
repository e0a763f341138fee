"""A naive oracle, written from the contract alone: one text at a time, loops, fp64, nothing shared with the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Vector = np.ndarray
Placed = tuple[str, str | None]
"""A text's id and its concept, None for a baseline."""

RIDGE = 0.01


# Activations


def activations(
    folder: Path, texts: Sequence[str], layers: Sequence[int], *, pooling: str = "last", pool_from: int = 0,
    max_length: int = 512,
) -> list[Vector]:  # fmt: skip
    """Per text `[L, H]`: the output of each block at its last token, or the mean over its tokens."""
    import torch
    from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    is_bert = "Bert" in str(AutoModel.from_pretrained(str(folder)).__class__)
    model = (AutoModel if is_bert else AutoModelForCausalLM).from_pretrained(str(folder), dtype=torch.float32).eval()
    blocks = _blocks(model)
    of_texts = []
    for text in texts:
        taken: dict[int, Any] = {}
        hooks = [blocks[layer].register_forward_hook(_keep(taken, layer)) for layer in layers]
        inputs = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
        with torch.no_grad():
            model(**inputs)
        for hook in hooks:
            hook.remove()
        rows = []
        for layer in layers:
            tokens = taken[layer][0].double().numpy()  # (T, H)
            first = min(pool_from, len(tokens) - 1)
            rows.append(tokens[-1] if pooling == "last" else tokens[first:].mean(0))
        of_texts.append(np.array(rows))
    return of_texts


def _keep(taken: dict[int, Any], layer: int) -> Any:
    def hook(_module: object, _inputs: object, output: Any) -> None:
        taken[layer] = output[0] if isinstance(output, tuple) else output

    return hook


def _blocks(model: Any) -> Any:
    if hasattr(model, "transformer"):
        return model.transformer.h
    if hasattr(model, "encoder"):
        return model.encoder.layer
    return model.model.layers


def down_projections(folder: Path, layers: Sequence[int]) -> list[np.ndarray]:
    """Per layer `[H, I]`: the MLP's down projection of a golden model, by the name its architecture gives it."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(folder))
    matrices = []
    for layer in layers:
        mlp = _blocks(model)[layer].mlp
        weight = mlp.c_proj.weight.T if hasattr(mlp, "c_proj") else mlp.down_proj.weight
        matrices.append(weight.detach().double().numpy())
    return matrices


# Directions


def positives(placed: Sequence[Placed], concept: str) -> list[str]:
    """`P_c`: unique, sorted by id."""
    return sorted({text for text, its in placed if its == concept})


def negatives(placed: Sequence[Placed], concept: str) -> list[str]:
    """`N_c`: every other text once."""
    return sorted({text for text, _ in placed} - set(positives(placed, concept)))


def concepts(placed: Sequence[Placed], min_positives: int = 1) -> list[str]:
    """Those that get a vector: enough texts, and something to stand against."""
    names = sorted({its for _, its in placed if its is not None})
    return [
        name for name in names if len(positives(placed, name)) >= min_positives and len(negatives(placed, name)) > 0
    ]


def mean(x: Mapping[str, Vector], texts: Sequence[str]) -> Vector:
    total = np.zeros_like(next(iter(x.values())), dtype=np.float64)
    for text in texts:
        total = total + x[text].astype(np.float64)
    return total / len(texts)


def unit(vector: Vector) -> Vector:
    return vector / max(float(np.sqrt((vector**2).sum())), 1e-6)


def cosine(a: Vector, b: Vector) -> float:
    return float(unit(a) @ unit(b))


def direction(x: Mapping[str, Vector], own: Sequence[str], others: Sequence[str]) -> Vector:
    """One pooled direction; `x` holds `[H]` per text."""
    return unit(mean(x, own) - mean(x, others))


def directions(x: Mapping[str, Vector], placed: Sequence[Placed], names: Sequence[str]) -> np.ndarray:
    """`[C, H]`, fp64."""
    return np.array([direction(x, positives(placed, name), negatives(placed, name)) for name in names])


def shipped(vectors: np.ndarray) -> np.ndarray:
    """As they are written: rounded to fp16."""
    return vectors.astype(np.float16).astype(np.float64)


# Quality


def variance_ratios(rows: np.ndarray) -> list[float]:
    if len(rows) == 1:
        return [1.0]
    squares = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2
    if squares.sum() == 0:
        return [1.0]
    return [float(value) for value in (squares / squares.sum())[:3]]


def alignments(rows: np.ndarray, d: Vector) -> list[float]:
    if len(rows) == 1:
        return [0.0]
    centre = rows.mean(0)
    return [cosine(row - centre, d) for row in rows]


def neuron_cosines(d: Vector, weight: np.ndarray) -> list[float]:
    """With every column of `[H, I]`."""
    return [cosine(weight[:, i], d) for i in range(weight.shape[1])]


def ridge(vectors: np.ndarray, c: int) -> tuple[float, float, dict[int, float]]:
    """R², the residual's norm and the coefficients of regressing row c on the other rows, by one explicit solve."""
    others = [j for j in range(len(vectors)) if j != c]
    target, basis = vectors[c], vectors[others]
    if others:
        solved = np.linalg.solve(basis @ basis.T + RIDGE * np.eye(len(others)), basis @ target)
        residual = target - solved @ basis
    else:
        solved, residual = np.zeros(0), target
    return (
        1 - float(residual @ residual) / max(float(target @ target), 1e-12),
        float(np.sqrt(residual @ residual)),
        dict(zip(others, solved.tolist(), strict=True)),
    )


def leave_one_out(x: Mapping[str, Vector], placed: Sequence[Placed], text: str, concept: str) -> float | None:
    """Cosine of the text, about the mean of all, with the concept's direction computed as if it were not there."""
    everything = sorted({other for other, _ in placed})
    own = [other for other in positives(placed, concept) if other != text]
    others = [other for other in negatives(placed, concept) if other != text]
    if not own or not others:
        return None
    return cosine(x[text] - mean(x, everything), direction(x, own, others))


# Whitening


def whitened(groups: Sequence[np.ndarray], difference: Vector, shrinkage: float) -> Vector:
    """`(Σ_w + λ tr(Σ_w)/H I)⁻¹ d₀`, by one explicit solve; `groups` holds each concept's rows `[n_c, H]`."""
    hidden = len(difference)
    covariance = np.zeros((hidden, hidden))
    pairs = 0
    for group in groups:
        centre = group.mean(0)
        for row in group:
            covariance += np.outer(row - centre, row - centre)
            pairs += 1
    if pairs == len(groups):
        return difference  # one story each: nothing varies within a concept
    covariance /= pairs - len(groups)
    return np.linalg.solve(covariance + shrinkage * np.trace(covariance) / hidden * np.eye(hidden), difference)


# Heads


def heads(own: np.ndarray, others: np.ndarray, head_dim: int) -> tuple[list[tuple[int, float, float]], float]:
    """The top heads as (head, norm, selectivity) and their share of all norms, from `[n_c, A]` and `[m, A]`."""
    ranked = []
    for head in range(own.shape[1] // head_dim):
        ours, theirs = (rows[:, head * head_dim : (head + 1) * head_dim] for rows in (own, others))
        gap = np.linalg.norm(ours.mean(0) - theirs.mean(0))
        spread = np.linalg.norm(theirs.std(0, ddof=1)) if len(theirs) > 1 else 0.0
        ranked.append((head, float(gap), float(gap / max(spread, 1e-6))))
    top = sorted(ranked, key=lambda entry: (-entry[2], entry[0]))[:10]
    norms = sum(gap for _, gap, _ in ranked)
    return top, sum(gap for _, gap, _ in top) / norms if norms > 0 else 0.0


# Separation


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float | None:
    """The share of pairs in which the positive is higher, ties counted half."""
    if not positive or not negative:
        return None
    wins = 0.0
    for ours in positive:
        for theirs in negative:
            wins += 1.0 if ours > theirs else 0.5 if ours == theirs else 0.0
    return wins / (len(positive) * len(negative))


def separation(x: Mapping[str, Vector], placed: Sequence[Placed]) -> float | None:
    """The mean over concepts of the AUROC of leave-one-out scores, over the concepts that have one."""
    shares = []
    for concept in concepts(placed):
        own, others = (
            [score for text in texts if (score := leave_one_out(x, placed, text, concept)) is not None]
            for texts in (positives(placed, concept), negatives(placed, concept))
        )
        shares.append(auroc(own, others))
    scored = [value for value in shares if value is not None]
    return sum(scored) / len(scored) if scored else None


# Nulls


def relabelled(rows: np.ndarray, member: np.ndarray, order: Sequence[int]) -> tuple[list[float], list[float]]:
    """Each concept's R² and first-PC ratio when text `order[i]` carries the labels of text i."""
    vectors, ratios = [], []
    for c in range(member.shape[1]):
        own = [order[i] for i in range(len(rows)) if member[i, c]]
        others = [order[i] for i in range(len(rows)) if not member[i, c]]
        vectors.append(unit(rows[own].mean(0) - rows[others].mean(0)))
        ratios.append(variance_ratios(rows[own])[0])
    return [ridge(np.array(vectors), c)[0] for c in range(len(vectors))], ratios
