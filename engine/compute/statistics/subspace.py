"""Subspace directions: the difference of means, filtered by where a concept's stories vary and others do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.compute.statistics.cores import side_by_side
from engine.compute.statistics.eigen import ONE_THREAD_UP_TO, eigh, eigvalsh
from engine.compute.statistics.krylov import FIRST_BLOCKS, WIDTH, Ritz, Wanted, block_lanczos

RANK_TOLERANCE = 1e-6
"""Singular values below this share of the largest are zero: activations carry fp32 rounding, 6e-8 of their size."""
PIVOT_TOLERANCE = 10 * RANK_TOLERANCE
"""Of Cholesky's smallest pivot to the longest row; the smallest singular value may lie somewhat below the pivot."""
ORTHONORMAL_TOLERANCE = 1e-6
"""The most that `Vt V z` may differ from noise z: a few fp32 roundings."""
PROBES = 4

SHIFT = 0.25
"""How far sigma lies above `lambda_1`: the less, the closer the direction keeps to the top of the spectrum."""
TOP_EIGENVALUES = 20
DENSE_UP_TO = 768
"""Hidden size up to which all eigenvalues are had by LAPACK, in fp64, each matrix on a core of its own.

At 768 that takes 95 ms a concept; the top ones by Lanczos take 40 ms where stories share much of what they vary in, and
210 ms where they do not and the spectrum is flat, as that of 64 stories under random weights."""
STACKED_UP_TO = 2048
"""Hidden size up to which each concept's matrix is formed (fp32): above, its low-rank parts are less to read."""
CHUNK = 16
"""Concepts solved together: it bounds memory."""


def basis(tokens: Tensor, k: int | None) -> Tensor | None:
    """An orthonormal basis of the space in which one story's tokens vary: the row space of the tokens less their mean.

    Args:
        tokens: residuals at one layer, `[T, H]`, of any dtype.
        k: only the top k right singular vectors of the centred tokens; None for all.

    Returns:
        `[H, r]` fp32, where r is at most T - 1 and columns that are numerically zero are left out. None where r is H,
        or H - 1 with more tokens than dimensions (what comes out of a layer norm lies in a hyperplane): a projector
        onto everything tells no story from another.
    """
    x = tokens.double()
    count, hidden = x.shape
    if count == 1:
        return torch.empty(hidden, 0, device=x.device)
    is_whole = count <= hidden and (k is None or k >= count - 1)
    columns = _by_cholesky(x) if is_whole else None
    if columns is None:
        centred = x - x.mean(0)
        columns = _by_gram(centred, k)
        columns = _by_svd(centred, k) if columns is None else columns
    all_but_one = count > hidden and (k is None or k >= hidden)
    return None if columns.shape[1] >= hidden - all_but_one else columns.float()


def _by_cholesky(x: Tensor) -> Tensor | None:
    """A basis of the whole space, where the tokens `[T, H]` are independent; None where they are not clearly so.

    Differences to the most central token span the same space as centred tokens. An attention sink, a thousand times as
    long as the rest, is then in one row instead of all, and Cholesky does not mind rows of different lengths.
    """
    central = torch.linalg.vector_norm(x - x.mean(0), dim=1).argmin()
    others = torch.arange(len(x) - 1, device=x.device)
    rows = x[others + (others >= central)] - x[central]
    gram = rows @ rows.T
    factor, _ = torch.linalg.cholesky_ex(gram)
    # from the right, which takes a third of the time
    columns: Tensor = torch.linalg.solve_triangular(factor.T, rows.T, upper=True, left=False)
    independent = factor.diagonal().min() > PIVOT_TOLERANCE * gram.diagonal().max().sqrt()
    return columns if bool(independent & _orthonormal(columns)) else None


def _by_gram(centred: Tensor, k: int | None) -> Tensor | None:
    """The top k right singular vectors of `[T, H]` by the smaller Gram matrix; None where squaring loses too much."""
    is_wide = len(centred) <= centred.shape[1]
    squares, vectors = eigh(centred @ centred.T if is_wide else centred.T @ centred)
    lengths = squares.clamp_min(0).sqrt()
    rank = int((lengths > RANK_TOLERANCE * lengths[-1]).sum())
    first = len(lengths) - (rank if k is None else min(k, rank))
    columns = vectors[:, first:]
    if is_wide:
        columns = centred.T @ columns / lengths[first:]
    return columns if bool(_orthonormal(columns)) else None


def _by_svd(centred: Tensor, k: int | None) -> Tensor:
    """The top k right singular vectors of `[T, H]`, whatever its condition."""
    _, lengths, vectors = torch.linalg.svd(centred, full_matrices=False)
    rank = int((lengths > RANK_TOLERANCE * lengths[0]).sum())
    rows: Tensor = vectors[: rank if k is None else min(k, rank)]
    return rows.T


def _orthonormal(columns: Tensor) -> Tensor:
    """Whether columns `[H, r]` fp64 are orthonormal, by what `Vt V` does to noise; a tensor, to be read with others."""
    probes = torch.randn(columns.shape[1], PROBES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    probes = probes.to(columns.device)
    errors = columns.T @ (columns @ probes) - probes
    return (errors.abs() < ORTHONORMAL_TOLERANCE).all()


@dataclass(frozen=True)
class Projectors:
    """A sum of projectors `V Vt` at one layer, fp32, in the smaller of two forms."""

    factor: Tensor
    """`[H, R]`: all the V side by side while 2R < H; else the sum itself, `[H, H]`."""

    @classmethod
    def of(cls, bases: Sequence[Tensor], hidden: int, device: torch.device) -> Projectors:
        """The sum over bases `[H, r]`."""
        return cls(torch.empty(hidden, 0, device=device)).plus(*bases)

    def plus(self, *bases: Tensor) -> Projectors:
        """This sum and the projectors onto further bases `[H, r]`."""
        if self._is_summed:
            summed = self.factor
            for v in bases:
                summed = torch.addmm(summed, v, v.T)
            return Projectors(summed)
        factor = torch.cat([self.factor, *bases], 1)
        return Projectors(factor if 2 * factor.shape[1] < len(factor) else factor @ factor.T)

    @property
    def _is_summed(self) -> bool:
        return self.factor.shape[0] == self.factor.shape[1]

    def times(self, v: Tensor) -> Tensor:
        """`[H, b]` to `[H, b]`."""
        rows = v.T @ self.factor  # rows times matrix: several times faster than matrix times few columns
        return (rows if self._is_summed else rows @ self.factor.T).T

    def dense(self) -> Tensor:
        """`[H, H]`."""
        return self.factor if self._is_summed else self.factor @ self.factor.T


@dataclass(frozen=True)
class Subspaces:
    """One layer: what `M_c = mean over P_c of V Vt - mean over N_c of V Vt` is made of.

    With `A_c` the sum of projectors over a concept's texts, T that over all texts and m the number of texts that are
    not the concept's, `M_c = A_c (1/n_c + 1/m) - T/m`.
    """

    own: Sequence[Sequence[Projectors]]
    """Per concept, what `A_c` is the sum of."""
    total: Tensor
    """T: `[H, H]`, fp64."""
    counts: Tensor
    """`n_c`: `[C]` fp64, texts of the concept that have a subspace."""
    n_texts: int
    """All texts that have a subspace."""

    @property
    def weights(self) -> tuple[Tensor, Tensor]:
        """The weights of `A_c` and of `-T` in `M_c`, `[C]` fp64 each. The mean over no texts is zero."""
        others = self.n_texts - self.counts
        of_others = torch.where(others > 0, 1 / others, 0.0)
        return torch.where(self.counts > 0, 1 / self.counts, 0.0) + of_others, of_others

    def only(self, concepts: Sequence[int]) -> Subspaces:
        """The same for some of the concepts, by index; the texts stay."""
        return replace(self, own=[self.own[c] for c in concepts], counts=self.counts[list(concepts)])

    @property
    def nullity(self) -> int:
        """At least so many eigenvalues of each `M_c` are zero: no text varies there. The trace bounds the rank of T."""
        return len(self.total) - round(float(self.total.trace()))


@dataclass(frozen=True)
class Solved:
    """Directions and eigenvalues of all concepts at one layer."""

    directions: Tensor
    """`[C, H]` fp64, not normalised; zero where the difference is."""
    eigenvalues: Tensor
    """`[C, min(20, H)]` fp64: the largest of `M_c`, descending."""


class _Resolvent:
    """`(sigma I - M)^-1 d0`."""

    wanted = TOP_EIGENVALUES
    residual = 1e-4
    """It leaves an error of about 1e-7 in an eigenvalue."""

    def exact(self, matrix: Tensor, difference: Tensor) -> tuple[Tensor, Tensor]:
        """From `M` `[H, H]` and `d0` `[H]`, fp64: the direction `[H]` and all eigenvalues, descending."""
        values = eigvalsh(matrix).flip(0)
        shifted = -matrix
        shifted.diagonal().add_(values[0] + SHIFT)
        return torch.cholesky_solve(difference[:, None], torch.linalg.cholesky(shifted))[:, 0], values

    def sketched(self, ritz: Ritz, largest: Tensor, lengths: Tensor) -> Tensor:
        """From Ritz pairs, their `wanted` values and the lengths of `d0`, `[C]`, on the CPU: directions `[C, H]`."""
        along = lengths[:, None] * ritz.weights[:, :, 0]  # u_j . d0
        return ritz.combine(along / (largest[:, :1] + SHIFT - ritz.values))


class _TopEigenvectors:
    """`sum_j max(lambda_j, 0) sign(u_j . d0) u_j`. Methods as those of `_Resolvent`."""

    residual = 1e-6
    """An eigenvector's error is this over the distance to the next eigenvalue; there is no square in it."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.wanted = max(TOP_EIGENVALUES, count)

    def exact(self, matrix: Tensor, difference: Tensor) -> tuple[Tensor, Tensor]:
        values, vectors = eigh(matrix)
        values, vectors = values.flip(0), vectors.flip(1)[:, : self._count]
        return vectors @ (values[: self._count].clamp_min(0) * (difference @ vectors).sign()), values

    def sketched(self, ritz: Ritz, largest: Tensor, lengths: Tensor) -> Tensor:
        along = lengths[:, None] * ritz.weights[:, : self._count, 0]
        return ritz.combine(largest[:, : self._count].clamp_min(0) * along.sign())


_Filter = _Resolvent | _TopEigenvectors


def filtered(spaces: Subspaces, differences: Tensor) -> Solved:
    """`(sigma I - M_c)^-1 d0` with `sigma = lambda_1 + 0.25`: the resolvent of `M_c` at the difference of means.

    No eigenvector's sign or order enters, so that the direction moves no faster than the texts do. Solved in fp32
    above `DENSE_UP_TO`: a direction is then within 1e-6 of the exact one, and so is an eigenvalue.

    Args:
        spaces: of one layer.
        differences: `d0`, `mean(P_c) - mean(N_c)` of the pooled activations, `[C, H]` fp64.
    """
    return _solve(spaces, differences, _Resolvent())


def top_k(spaces: Subspaces, differences: Tensor, eigen_k: int) -> Solved:
    """`sum over the eigen_k largest of max(lambda_j, 0) s_j u_j`, with `s_j` the sign of `u_j . d0`.

    It is here for comparison: neighbouring eigenvalues are so close that single eigenvectors, and so this sum, turn at
    small changes. Solved in fp32 above `DENSE_UP_TO`: an eigenvector's error is then 1e-6 over its eigenvalue's
    distance to the next.

    Args:
        spaces: of one layer.
        differences: `d0`, `[C, H]` fp64.
        eigen_k: eigenpairs in the sum.
    """
    return _solve(spaces, differences, _TopEigenvectors(eigen_k))


def _solve(spaces: Subspaces, differences: Tensor, method: _Filter) -> Solved:
    hidden = len(spaces.total)
    wants_many = method.wanted > FIRST_BLOCKS * WIDTH // 2
    dense = wants_many or hidden <= DENSE_UP_TO
    return _densely(spaces, differences, method) if dense else _iteratively(spaces, differences, method)


def _densely(spaces: Subspaces, differences: Tensor, method: _Filter) -> Solved:
    """All eigenvalues of each matrix, in fp64; of several small ones at a time."""
    of_own, of_total = (weights.tolist() for weights in spaces.weights)

    def solved(c: int) -> tuple[Tensor, Tensor]:
        matrix = spaces.total * -of_total[c]
        for part in spaces.own[c]:
            matrix.add_(part.dense(), alpha=of_own[c])
        direction, values = method.exact(matrix, differences[c])
        return direction, values[:TOP_EIGENVALUES]

    directions = torch.zeros_like(differences)
    eigenvalues = differences.new_zeros(len(differences), min(TOP_EIGENVALUES, differences.shape[1]))
    small = spaces.total.device.type == "cpu" and len(spaces.total) <= ONE_THREAD_UP_TO
    concepts = range(len(differences))
    for c, exact in enumerate(side_by_side(solved, concepts) if small else map(solved, concepts)):
        directions[c], eigenvalues[c] = exact
    return Solved(directions, eigenvalues)


def _iteratively(spaces: Subspaces, differences: Tensor, method: _Filter) -> Solved:
    """Block Lanczos from `d0`, some concepts at a time; densely where that does not converge.

    It does not converge where a few texts make an eigenvalue multiple, or leave very many close to the largest.
    """
    zeros = spaces.nullity >= method.wanted  # then none of the wanted eigenvalues is negative
    wanted = Wanted(method.wanted, method.residual, zeros)
    directions = torch.zeros_like(differences)
    eigenvalues = differences.new_zeros(len(differences), TOP_EIGENVALUES)
    for start in range(0, len(differences), CHUNK):
        chunk = torch.arange(start, min(start + CHUNK, len(differences)))
        ritz = block_lanczos(_operator(spaces.only(chunk.tolist())), differences[chunk], wanted)
        largest = ritz.values[:, : method.wanted].clamp_min(0 if zeros else -torch.inf)
        directions[chunk] = method.sketched(ritz, largest, differences[chunk].norm(dim=1).cpu())
        eigenvalues[chunk] = largest[:, :TOP_EIGENVALUES].to(eigenvalues)
        for c in chunk[~ritz.converged]:
            exact = _densely(spaces.only([int(c)]), differences[c, None], method)
            directions[c], eigenvalues[c] = exact.directions[0], exact.eigenvalues[0]
    return Solved(directions, eigenvalues)


def _operator(spaces: Subspaces) -> Callable[[Tensor], Tensor]:
    """`v M_c` for rows `[C, b, H]` fp32."""
    total = spaces.total.float()
    of_own, of_total = spaces.weights
    shares = of_total.float()[:, None, None]
    if len(total) <= STACKED_UP_TO:
        matrices = -shares * total
        for c, weight in enumerate(of_own.tolist()):
            for part in spaces.own[c]:
                matrices[c].add_(part.dense(), alpha=weight)
        return lambda v: v @ matrices

    def apply(v: Tensor) -> Tensor:
        result = -shares * (v @ total)
        for c, weight in enumerate(weights):
            for part in spaces.own[c]:
                result[c].add_(part.times(v[c].T).T, alpha=weight)
        return result

    weights = of_own.tolist()
    return apply
