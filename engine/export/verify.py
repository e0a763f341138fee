"""Checking a set of readout files: is it what a loader expects, of one run, and of which model and corpus?

No torch here: a build job that only checks should not wait for it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np
import safetensors
from msgspec import Meta

from engine.errors import UsageError
from engine.export import gguf
from engine.export.files import MANIFEST, QUALITY, RUN, VECTORS, temporaries

T = TypeVar("T")

LENGTH_TOLERANCE = 1e-3
"""How far from 1 a length may be: fp16 rounds each component by up to 2^-11 of it, so the length by no more."""
MAX_NAMED = 3
HASH_PREFIX = "sha256:"


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What the header of the vectors says of their making."""

    model: str | None = None
    model_hash: str | None = None
    tokenizer_hash: str | None = None
    method: str | None = None
    pooling: str | None = None
    corpus_digest: str | None = None
    n_stories: int | None = None
    written_by: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a check says. A set without `problems` is sound; a set without `provenance` does not say what made it."""

    problems: list[str]
    provenance: Provenance | None
    concepts: list[str]
    layers: list[int]
    hidden_size: int | None
    temporaries: list[str]
    """Files of no set, which an export left when it was killed, or is just writing."""
    strangers: list[str]
    """What else lies in the folder: no set has it, and no export touches it."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`readout.json`: these four keys and no other."""

    concepts: Annotated[list[str], Meta(min_length=1)]
    layers: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(min_length=1)]
    hidden_size: Annotated[int, Meta(ge=1)]
    dtype: Literal["float16"]


def verify(folder: Path) -> Report:
    """Check the set in `folder`: each file, how they fit together, and whether they are of one run.

    A set without provenance, as an older script wrote it, is checked as far as it can be: it may be sound.

    Raises:
        UsageError: there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    problems: list[str] = []
    manifest = _decode(folder / MANIFEST, Manifest, problems)
    if manifest is not None:
        problems += [f"{folder / MANIFEST}: {problem}" for problem in _disorder(manifest)]
    header = _vectors(folder / VECTORS, manifest, problems)
    if header is not None:
        problems += _files_of_other_runs(folder, header)
    for name in (RUN, QUALITY):
        if (folder / name).exists():
            document = _decode(folder / name, dict[str, Any], problems)
            if name == QUALITY and document is not None and manifest is not None:
                problems += [f"{folder / name}: {problem}" for problem in _differences(document, manifest.concepts)]
    return Report(
        problems=list(dict.fromkeys(problems)),
        provenance=_provenance(header or {}),
        concepts=manifest.concepts if manifest else [],
        layers=manifest.layers if manifest else [],
        hidden_size=manifest.hidden_size if manifest else None,
        temporaries=[str(file) for file in temporaries(folder)],
        strangers=[str(file) for file in _strangers(folder, header)],
    )


def _decode(file: Path, kind: type[T], problems: list[str]) -> T | None:
    """The content of a strict JSON file, or None and one more problem."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError:
        problems.append(f"{file} is missing")
    except OSError as error:
        problems.append(f"{file}: cannot be read: {error.strerror}")
    except msgspec.ValidationError as error:
        problems.append(f"{file}: not what a loader expects: {error}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problems.append(f"{file}: not strict JSON (which knows no NaN and no Infinity): {error}")
    return None


def _disorder(manifest: Manifest) -> Iterator[str]:
    """Problems of a manifest that the types of its values let through."""
    if manifest.concepts != sorted(manifest.concepts):
        yield "its concepts are not sorted"
    for counts in (Counter(manifest.concepts), Counter(manifest.layers)):
        if repeated := [item for item, count in counts.items() if count > 1]:
            yield f"lists more than once: {_first_names(repeated)}"


def _vectors(file: Path, manifest: Manifest | None, problems: list[str]) -> dict[str, str] | None:
    """Check the tensors, and return the header's metadata; None and one more problem if the file cannot be read."""
    try:
        with safetensors.safe_open(file, framework="np") as stored:
            if manifest is not None:
                problems += [f"{file}: {problem}" for problem in _tensors(stored, manifest)]
            return stored.metadata() or {}
    except FileNotFoundError:
        problems.append(f"{file} is missing")
    except (OSError, safetensors.SafetensorError) as error:
        problems.append(f"{file}: cannot be read: {error}")
    return None


def _tensors(stored: Any, manifest: Manifest) -> Iterator[str]:
    """How the tensors differ from what the manifest says: one `[C, H]` in fp16 per layer, with unit rows."""
    names = [f"layer_{block}.vectors" for block in manifest.layers]
    stored_names = set(stored.keys())
    if unlisted := sorted(stored_names - set(names)):
        yield f"tensors that {MANIFEST} does not list: {_first_names(unlisted)}"
    for name in names:
        if name not in stored_names:
            yield f"has no tensor {name}, which {MANIFEST} lists"
            continue
        tensor = stored.get_slice(name)
        shape, dtype = tensor.get_shape(), tensor.get_dtype()
        if dtype != "F16":
            yield f"{name} is {dtype}, not F16"
        elif shape != (expected := [len(manifest.concepts), manifest.hidden_size]):
            yield f"{name} has the shape {shape}; by {MANIFEST} it is {expected} (concepts, hidden size)"
        else:
            yield from (f"{name}: {problem}" for problem in _rows(stored.get_tensor(name), manifest.concepts))


def _rows(vectors: np.ndarray[Any, np.dtype[np.float16]], concepts: list[str]) -> Iterator[str]:
    """Rows (`[C, H]`) that are not unit vectors, by their concepts."""
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    named_lengths = list(zip(concepts, lengths.tolist(), strict=True))
    if not_finite := [name for name, length in named_lengths if not np.isfinite(length)]:
        yield f"not finite: {_first_names(not_finite)}"
    if zero_vectors := [name for name, length in named_lengths if length == 0]:
        yield f"zero vectors: {_first_names(zero_vectors)}"
    if not_unit := [
        f"{name} ({length:.4g})"
        for name, length in named_lengths
        if 0 < length < np.inf and abs(length - 1) > LENGTH_TOLERANCE
    ]:
        yield f"not of length 1: {_first_names(not_unit)}"


def _differences(quality: Mapping[str, Any], concepts: list[str]) -> Iterator[str]:
    """How the concepts of `quality.json` differ from those of the manifest."""
    if missing := [name for name in concepts if name not in quality]:
        yield f"says nothing of {_first_names(missing)}"
    if without_vector := sorted(quality.keys() - set(concepts)):
        yield f"speaks of what has no vector: {_first_names(without_vector)}"


def _files_of_other_runs(folder: Path, header: Mapping[str, str]) -> Iterator[str]:
    """Files that are not of the run that wrote the vectors."""
    has_provenance = _provenance(header) is not None
    hashes = _hashes(header)
    for name, expected in sorted(hashes.items()):
        if not _belongs(name):
            yield f"{folder / VECTORS}: its header vouches for {name}, which is no file of a set"
        else:
            yield from _mismatch(folder / name, expected)
    for name in (MANIFEST, RUN):
        if has_provenance and name not in hashes:
            yield f"{folder / VECTORS}: its header does not say which {name} is of the same run"
    # an older script wrote quality.json too, but no hash of it
    possible_leftovers = (RUN, QUALITY) if has_provenance else (RUN,)
    leftovers = [folder / name for name in possible_leftovers if name not in hashes and (folder / name).exists()]
    for file in leftovers + gguf.others(folder, [name for name in hashes if _belongs(name)]):
        yield f"{file} is of another run than {VECTORS}, whose header does not vouch for it"


def _hashes(header: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 of the other files of a set, by name."""
    return {key.removeprefix(HASH_PREFIX): value for key, value in header.items() if key.startswith(HASH_PREFIX)}


def _strangers(folder: Path, header: Mapping[str, str] | None) -> list[Path]:
    """Files and folders that are of no set, of this run or of another; a folder is one stranger whatever it holds."""
    ours = {folder / name for name in (VECTORS, MANIFEST, RUN, QUALITY, *_hashes(header or {}))}
    ours |= {*temporaries(folder), *gguf.others(folder, [])}
    entries = list(folder.iterdir())
    if (folder / gguf.FOLDER).is_dir():
        entries.remove(folder / gguf.FOLDER)
        entries += (folder / gguf.FOLDER).iterdir()
    return sorted(file for file in entries if file not in ours)


def _belongs(name: str) -> bool:
    """Whether a set may have a file of this name. A header is mere data: its names must not lead out of the folder."""
    path = Path(name)
    is_control_vector = path.parts == (gguf.FOLDER, path.name) and path.suffix == ".gguf" and name.isprintable()
    return is_control_vector or name in (MANIFEST, RUN, QUALITY)


def _mismatch(file: Path, expected: str) -> Iterator[str]:
    try:
        actual = hashlib.sha256(file.read_bytes()).hexdigest()
    except FileNotFoundError:
        yield f"{file} is missing"
    except OSError as error:
        yield f"{file}: cannot be read: {error.strerror}"
    else:
        if actual != expected:
            yield f"{file} is not of the same run as {VECTORS}"


def _provenance(header: Mapping[str, str]) -> Provenance | None:
    """What a header says of the vectors' making; None if it says nothing. A malformed count of stories is left out."""
    stated: dict[str, Any] = {name: header[name] for name in Provenance.__struct_fields__ if name in header}
    if not stated:
        return None
    with contextlib.suppress(msgspec.ValidationError):
        return msgspec.convert(stated, Provenance, strict=False)
    return msgspec.convert(stated | {"n_stories": None}, Provenance)


def _first_names(names: Iterable[object]) -> str:
    shown = [str(name) for name in names]
    return ", ".join(shown[:MAX_NAMED]) + (f" and {len(shown) - MAX_NAMED} more" if len(shown) > MAX_NAMED else "")
