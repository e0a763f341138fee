"""`readout.safetensors`, `readout.json`, `quality.json`, `run.json`: one set, written so that no mix goes unnoticed.

Every file is written beside its place, flushed, and renamed; the vectors come last. Their header carries the SHA-256 of
the other files, so a reader who meets a set in the middle of being replaced, or after a crash, can tell (`verify`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
from torch import Tensor

from engine import __version__
from engine.compute.live import Readout
from engine.corpus import Corpus
from engine.errors import AmygdalaError
from engine.export.files import replace_all
from engine.results import ConceptQuality, Results
from engine.triage import Verdict

VECTORS = "readout.safetensors"
MANIFEST = "readout.json"
QUALITY = "quality.json"
RUN = "run.json"


def write(
    folder: Path, readout: Readout, run: Mapping[str, Any], quality: Mapping[str, Any] | None = None
) -> dict[str, Path]:
    """Write the set into `folder`; without `quality`, an older `quality.json` there is removed, since it would lie.

    Args:
        folder: an existing folder.
        readout: the vectors.
        run: what made them (`run.json`, and the header's metadata).
        quality: the content of `quality.json`.

    Returns:
        The files written, by name.

    Raises:
        AmygdalaError: the disk refused; what was there before is whole, or told apart by `verify`.
    """
    manifest = {
        "concepts": readout.concepts,
        "layers": readout.layers,
        "hidden_size": readout.hidden_size,
        "dtype": "float16",
    }
    documents = {MANIFEST: _json(manifest)}
    run = dict(run) | {
        "norms": {layer: dict(zip(readout.concepts, norms, strict=True)) for layer, norms in readout.norms.items()},
        f"sha256:{MANIFEST}": hashlib.sha256(documents[MANIFEST]).hexdigest(),
    }
    documents[RUN] = _json(run)
    if quality is not None:
        documents[QUALITY] = _json(quality)
    hashes = {f"sha256:{name}": hashlib.sha256(data).hexdigest() for name, data in documents.items()}
    tensors: dict[str, Tensor] = {
        f"layer_{layer}.vectors": vectors.contiguous() for layer, vectors in readout.vectors.items()
    }
    metadata = {key: value if isinstance(value, str) else json.dumps(value) for key, value in run.items()}
    documents[VECTORS] = safetensors.torch.save(tensors, metadata | hashes)
    try:
        replace_all(folder, documents)
        if quality is None:
            (folder / QUALITY).unlink(missing_ok=True)
    except OSError as error:
        raise AmygdalaError(f"cannot write to {folder}: {error.strerror}") from error
    return {name: folder / name for name in documents}


def verify(folder: Path) -> list[str]:
    """What does not belong together in a set of files: empty if they are of one run.

    Raises:
        AmygdalaError: there is no readable `readout.safetensors`.
    """
    try:
        with safetensors.safe_open(folder / VECTORS, framework="pt") as stored:
            metadata = stored.metadata() or {}
    except (OSError, safetensors.SafetensorError) as error:
        raise AmygdalaError(f"{folder / VECTORS}: cannot be read: {error}") from error
    wrong = []
    for key, expected in metadata.items():
        if not key.startswith("sha256:"):
            continue
        file = folder / key.removeprefix("sha256:")
        if not file.is_file():
            wrong.append(f"{file} is missing")
        elif hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            wrong.append(f"{file} is not of the same run as {VECTORS}")
    if f"sha256:{QUALITY}" not in metadata and (folder / QUALITY).exists():
        wrong.append(f"{folder / QUALITY} is of an older run than {VECTORS}")
    return wrong


def quality_document(results: Results, verdicts: Mapping[str, Verdict], corpus: Corpus) -> dict[str, Any]:
    """`quality.json`: the contract's fields, and beside them each concept's triage and its outliers' paths."""
    texts = {story.text_id: story for story in corpus.stories}
    paths = {(story.text_id, story.concept): story.path for story in corpus.stories}

    def concept(quality: ConceptQuality) -> dict[str, Any]:
        name = quality.concept
        return {
            "n_positive_stories": quality.n_positive_stories,
            "per_layer": msgspec.to_builtins(quality.per_layer, str_keys=True),
            "outlier_stories": [[texts[text_id].text, alignment] for text_id, alignment in quality.outliers],
            "outlier_paths": [paths[text_id, name] for text_id, _ in quality.outliers],
            "nearest_concepts": quality.nearest_concepts,
            "linear_combination": msgspec.to_builtins(quality.linear_combination, str_keys=True),
            "triage": msgspec.to_builtins(verdicts[name]),
        }

    return {quality.concept: concept(quality) for quality in results.concepts}


def provenance(settings: Mapping[str, Any], corpus: Corpus, **model: Any) -> dict[str, Any]:
    """`run.json`: what a set of vectors was made of and how."""
    return {
        "written_by": f"amygdala-studio {__version__}",
        "convention": "residual stream after block l (0-based), before any final norm; unit norm, in float16",
        "corpus_digest": corpus.digest,
        "n_stories": len(corpus.stories),
        **model,
        "settings": dict(settings),
    }


def _json(document: object) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
