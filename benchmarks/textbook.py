"""The plain implementation: what the readout contract's formulas become in an afternoon, and what ours is measured by.

    python benchmarks/textbook.py [--corpus C] [--stories 64] [--model FOLDER] [--method subspace] [--layers 6,7]

Honest and unoptimised: the whole model with its head, batches of two in file order, one forward pass per kind of
activation, dense matrices, and a loop over concepts for everything, all of it on the model's device. For models laid
out as Llama and Qwen3 are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import random_model
import torch
from torch import Tensor, nn

from engine.corpus import Corpus

Method = Literal["pooled", "subspace"]
BATCH = 2
CPU = torch.device("cpu")
RIDGE = 0.01
EIGENVALUES = 20
EIGENVECTORS = 5
ABOVE = 0.25
"""How far above the largest eigenvalue the resolvent's pole stands."""


@dataclass(frozen=True)
class Stories:
    """The unique texts in file order, and which of them are each concept's."""

    texts: list[str]
    positives: dict[str, list[int]]

    @staticmethod
    def of(corpus: Corpus) -> Stories:
        """Every text once, concepts sorted by name; a concept's negatives are all the texts that are not its own."""
        texts = list(dict.fromkeys(story.text for story in corpus.stories))
        place = {text: i for i, text in enumerate(texts)}
        positives = {
            name: sorted({place[story.text] for story in corpus.stories if story.concept == name})
            for name in corpus.concepts
        }
        return Stories(texts, positives)

    def split(self, concept: str) -> tuple[list[int], list[int]]:
        """`P_c` and `N_c`."""
        own = self.positives[concept]
        return own, [i for i in range(len(self.texts)) if i not in own]


@dataclass
class Result:
    """What was found, and the seconds each stage took."""

    directions: dict[int, Tensor] = field(default_factory=dict)
    """Per layer `[C, H]`."""
    eigenvalues: dict[int, Tensor] = field(default_factory=dict)
    """Per layer `[C, 20]`, with the subspace method."""
    quality: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of a block of code to a stage's."""
        started = time.perf_counter()
        yield
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds[stage] += time.perf_counter() - started


def run(
    model: Any,
    tokenizer: Any,
    stories: Stories,
    layers: Sequence[int],
    *,
    method: Method = "pooled",
    direction: Literal["filter", "top-k"] = "filter",
    max_length: int = 512,
) -> Result:
    """Directions and quality of every concept at every layer."""
    result = Result()
    blocks = [model.model.layers[layer] for layer in layers]
    projections = [block.self_attn.o_proj for block in blocks]
    with result.timed("residual pass"):
        read = forward(model, tokenizer, stories.texts, blocks, last_token, max_length)
        residuals = [torch.stack(rows) for rows in read]  # per layer (N, H)
    if method == "subspace":
        with result.timed("tokens pass"):
            tokens = forward(model, tokenizer, stories.texts, blocks, all_tokens, max_length)
    with result.timed("heads pass"):
        read = forward(model, tokenizer, stories.texts, projections, last_input, max_length)
        heads = [torch.stack(rows) for rows in read]  # per layer (N, A)

    for i, layer in enumerate(layers):
        with result.timed("directions"):
            differences = [difference(residuals[i], *stories.split(name)) for name in stories.positives]
            result.directions[layer] = torch.stack([unit(d) for d in differences])
        if method == "subspace":
            found = subspace(tokens[i], differences, stories, direction, result)
            result.directions[layer], result.eigenvalues[layer] = found
    with result.timed("quality"):
        for c, name in enumerate(stories.positives):
            result.quality[name] = quality(
                name,
                stories,
                {layer: residuals[i] for i, layer in enumerate(layers)},
                {layer: heads[i] for i, layer in enumerate(layers)},
                {layer: result.directions[layer] for layer in layers},
                {layer: blocks[i].mlp.down_proj.weight for i, layer in enumerate(layers)},
                model.config.num_attention_heads,
            )
            for layer, values in result.eigenvalues.items():
                result.quality[name].setdefault("subspace_eigvals", {})[layer] = values[c].tolist()
    return result


# Forward passes


Pick = Callable[[Any, Any, Tensor], list[Tensor]]
"""What to keep of a module's inputs, its output and the texts' lengths: one tensor per text of the batch."""


def last_token(_inputs: Any, output: Any, lengths: Tensor) -> list[Tensor]:
    """The residual at each text's last token, `[H]`."""
    hidden = output[0] if isinstance(output, tuple) else output
    return [hidden[b, length - 1].float() for b, length in enumerate(lengths)]


def all_tokens(_inputs: Any, output: Any, lengths: Tensor) -> list[Tensor]:
    """All residuals of each text, `[T, H]`."""
    hidden = output[0] if isinstance(output, tuple) else output
    return [hidden[b, :length].float() for b, length in enumerate(lengths)]


def last_input(inputs: Any, _output: Any, lengths: Tensor) -> list[Tensor]:
    """What goes into the module at each text's last token, `[A]`."""
    return [inputs[0][b, length - 1].float() for b, length in enumerate(lengths)]


@torch.no_grad()
def forward(
    model: Any, tokenizer: Any, texts: Sequence[str], modules: Sequence[nn.Module], pick: Pick, max_length: int
) -> list[list[Tensor]]:
    """Run all texts through the whole model and keep, per module and text, what `pick` takes."""
    kept: list[list[Tensor]] = [[] for _ in modules]
    lengths = torch.empty(0)

    def keep(into: list[Tensor]) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _module, inputs, output: into.extend(pick(inputs, output, lengths))

    hooks = [module.register_forward_hook(keep(into)) for module, into in zip(modules, kept, strict=True)]
    for start in range(0, len(texts), BATCH):
        batch = tokenizer(
            list(texts[start : start + BATCH]),
            return_tensors="pt",
            padding=True,
            padding_side="right",
            truncation=True,
            max_length=max_length,
        ).to(model.device)
        lengths = batch["attention_mask"].sum(1)
        model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    for hook in hooks:
        hook.remove()
    return kept


# Directions


def unit(vector: Tensor) -> Tensor:
    """Length 1."""
    length: Tensor = vector.norm()
    return vector / length.clamp_min(1e-6)


def difference(rows: Tensor, own: list[int], others: list[int]) -> Tensor:
    """`mean(P_c) - mean(N_c)` of `[N, H]`."""
    return rows[own].mean(0) - rows[others].mean(0)


def subspace(
    tokens: Sequence[Tensor], differences: Sequence[Tensor], stories: Stories, direction: str, result: Result
) -> tuple[Tensor, Tensor]:
    """Directions `[C, H]` and top eigenvalues `[C, 20]` of one layer, by one dense eigendecomposition per concept."""
    with result.timed("subspace bases"):
        bases = [basis(text) for text in tokens]
    directions, eigenvalues = [], []
    for name, d in zip(stories.positives, differences, strict=True):
        own, others = stories.split(name)
        with result.timed("subspace matrices"):
            matrix = mean_projector(bases, own) - mean_projector(bases, others)
        with result.timed("subspace eigenvectors"):
            values, vectors = torch.linalg.eigh(matrix)
            directions.append(filtered(matrix, values, d) if direction == "filter" else top_k(values, vectors, d))
            eigenvalues.append(values.flip(0)[:EIGENVALUES])
    return torch.stack(directions), torch.stack(eigenvalues)


def basis(tokens: Tensor) -> Tensor:
    """An orthonormal basis of the row space of a text's centred tokens, `[H, r]`."""
    _, singular, rows = torch.linalg.svd(tokens - tokens.mean(0), full_matrices=False)
    noise = singular[0] * max(tokens.shape) * torch.finfo(tokens.dtype).eps
    kept: Tensor = rows[singular > noise]
    return kept.T


def mean_projector(bases: Sequence[Tensor], indices: list[int]) -> Tensor:
    """The mean of `V Vt` over some texts, `[H, H]`."""
    total = torch.zeros(len(bases[0]), len(bases[0]), device=bases[0].device)
    for i in indices:
        total += bases[i] @ bases[i].T
    return total / len(indices)


def filtered(matrix: Tensor, values: Tensor, d: Tensor) -> Tensor:
    """The resolvent `(sigma I - M)^-1 d`, normalised; `values` are the matrix's eigenvalues, ascending."""
    sigma = values[-1] + ABOVE
    return unit(torch.linalg.solve(sigma * torch.eye(len(matrix), device=matrix.device) - matrix, d))


def top_k(values: Tensor, vectors: Tensor, d: Tensor) -> Tensor:
    """The sum of the top eigenvectors, each weighted by its eigenvalue and turned towards `d`."""
    total = torch.zeros_like(d)
    for j in range(1, EIGENVECTORS + 1):
        vector = vectors[:, -j]
        total += values[-j].clamp_min(0) * torch.sign(vector @ d) * vector
    return unit(total)


# Quality


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
    found = []
    for head in range(n_heads):
        norm = difference(split[:, head], own, others).norm()
        spread = split[others, head].std(0).clamp_min(1e-6).norm()
        found.append((head, float(norm), float(norm / spread)))
    top = sorted(found, key=lambda entry: -entry[2])[:10]
    share = sum(norm for _, norm, _ in top) / max(sum(norm for _, norm, _ in found), 1e-12)
    return {"top_heads": top, "head_concentration": share}


def load(folder: Path, dtype: torch.dtype, device: torch.device = CPU) -> tuple[Any, Any]:
    """The whole model with its head, and its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    random_model.quiet()
    model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype)
    return model.to(device).eval(), AutoTokenizer.from_pretrained(str(folder))


def main() -> int:
    """Run it once and print the seconds of each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="a real corpus (else stories that ship)")
    parser.add_argument("--stories", type=int, default=64, help="how many of them (64)")
    parser.add_argument("--model", type=Path, help="a checkpoint (else random weights)")
    parser.add_argument("--method", choices=["pooled", "subspace"], default="pooled")
    parser.add_argument("--layers", default="6,7", help="blocks, 0-based (6,7)")
    random_model.add_flags(parser)
    arguments = parser.parse_args()
    dtype = random_model.DTYPES[arguments.dtype]
    stories = Stories.of(random_model.stories(arguments.corpus, arguments.stories))
    layers = [int(layer) for layer in arguments.layers.split(",")]
    with tempfile.TemporaryDirectory() as made:
        folder = arguments.model or random_model.write(Path(made), random_model.from_flags(arguments), dtype=dtype)
        model, tokenizer = load(folder, dtype)
    result = run(model, tokenizer, stories, layers, method=arguments.method)
    print(f"{len(stories.texts)} texts, {len(stories.positives)} concepts, blocks {layers}")
    for stage, seconds in result.seconds.items():
        print(f"{stage:22} {seconds:8.2f} s")
    print(f"{'together':22} {sum(result.seconds.values()):8.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
