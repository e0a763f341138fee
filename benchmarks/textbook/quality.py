"""The quality report's numbers, concept by concept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.textbook.directions import difference, unit
from benchmarks.textbook.stories import Stories

RIDGE = 0.01


def quality(
    name: str,
    stories: Stories,
    residuals: dict[int, Tensor],
    heads: dict[int, Tensor],
    directions: dict[int, Tensor],
    down: dict[int, Tensor],
    n_heads: int,
) -> dict[str, Any]:
    """All that `quality.json` says of one concept."""
    names = list(stories.positives)
    c = names.index(name)
    own, others = stories.split(name)
    layers = list(residuals)
    middle = layers[len(layers) // 2]
    aligned = alignments(residuals[middle][own], directions[middle][c])
    worst = aligned.argsort()[:2].tolist() if len(own) > 1 else []
    return {
        "n_positive_stories": len(own),
        "per_layer": {
            layer: story_numbers(residuals[layer][own], directions[layer][c])
            | neurons(directions[layer][c], down[layer])
            for layer in layers
        },
        "outlier_stories": [(stories.texts[own[i]], float(aligned[i])) for i in worst],
        "nearest_concepts": nearest(directions[middle], names, c),
        "per_head": {layer: per_head(heads[layer], own, others, n_heads) for layer in layers},
        "linear_combination": {layer: ridge(directions[layer], names, c) for layer in layers},
    }


def story_numbers(rows: Tensor, d: Tensor) -> dict[str, Any]:
    """Variance ratios, projections and alignments of a concept's stories `[n, H]`."""
    projections = rows @ d
    aligned = alignments(rows, d)
    single = len(rows) == 1
    squares = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)[1].square()
    ratios = [1.0] if single else (squares / squares.sum())[:3].tolist()
    return {
        "first_pc_variance_ratio": ratios[0],
        "top3_variance_ratios": ratios,
        "story_projection_mean": float(projections.mean()),
        "story_projection_std": None if single else float(projections.std()),
        "story_projection_min": float(projections.min()),
        "story_projection_max": float(projections.max()),
        "story_alignment_mean": float(aligned.mean()),
        "story_alignment_std": 0.0 if single else float(aligned.std()),
    }


def alignments(rows: Tensor, d: Tensor) -> Tensor:
    """Cosine of each story, less their mean, with the direction; 0 for one story."""
    if len(rows) == 1:
        return torch.zeros(1)
    return torch.nn.functional.cosine_similarity(rows - rows.mean(0), d[None], dim=1)


def neurons(d: Tensor, weight: Tensor) -> dict[str, Any]:
    """The five columns of the down projection closest to the direction."""
    columns = torch.nn.functional.normalize(weight.detach().float(), dim=0)  # (H, I)
    cosines = unit(d) @ columns
    best = cosines.abs().argsort(descending=True)[:5].tolist()
    return {
        "best_neuron_idx": best[0],
        "best_neuron_cosine": float(cosines[best[0]]),
        "top5_neurons": [(i, float(cosines[i])) for i in best],
    }


def nearest(directions: Tensor, names: list[str], c: int) -> list[tuple[str, float]]:
    """The five concepts of the most similar directions."""
    cosines = [
        (names[j], float(torch.nn.functional.cosine_similarity(directions[c], directions[j], dim=0)))
        for j in range(len(names))
        if j != c
    ]
    return sorted(cosines, key=lambda pair: -pair[1])[:5]


def ridge(directions: Tensor, names: list[str], c: int) -> dict[str, Any]:
    """Ridge regression of one direction on all the others."""
    rest = [j for j in range(len(names)) if j != c]
    others, d = directions[rest], directions[c]
    coefficients = torch.linalg.solve(others @ others.T + RIDGE * torch.eye(len(rest), device=d.device), others @ d)
    residual = (d - coefficients @ others).norm()
    best = coefficients.abs().argsort(descending=True)[:5].tolist()
    return {
        "r_squared": float(1 - residual**2 / d.square().sum()),
        "residual_norm": float(residual),
        "top_contributors": [(names[rest[j]], float(coefficients[j])) for j in best],
    }


def per_head(rows: Tensor, own: list[int], others: list[int], n_heads: int) -> dict[str, Any]:
    """Which heads write the difference: top ten by selectivity, and their share of the summed norms."""
    split = rows.reshape(len(rows), n_heads, -1)  # (N, heads, head_dim)
    heads = []  # number, norm of the difference, selectivity
    for head in range(n_heads):
        norm = difference(split[:, head], own, others).norm()
        spread = split[others, head].std(0).clamp_min(1e-6).norm()
        heads.append((head, float(norm), float(norm / spread)))
    top = sorted(heads, key=lambda entry: -entry[2])[:10]
    share = sum(norm for _, norm, _ in top) / max(sum(norm for _, norm, _ in heads), 1e-12)
    return {"top_heads": top, "head_concentration": share}
