"""Writes one set of files: `readout.safetensors`, `readout.json`, `quality.json`, `run.json` and `gguf/`.

Every file is written under a temporary name, flushed, and renamed; the vectors come last. Their header carries the
SHA-256 of the other files. By these a reader can tell whether all files are of one run, even while a set is being
replaced or after a crash (`engine.export.verify`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from engine import __version__
from engine.compute.live.readout import Readout
from engine.corpus import Corpus
from engine.errors import AmygdalaError
from engine.evidence import HeldOutConcept
from engine.export import gguf
from engine.export.evidence import judged
from engine.export.files import MANIFEST, QUALITY, RUN, VECTORS, locked, replace_all
from engine.results import ConceptQuality, Results
from engine.triage import Verdict


def write(
    folder: Path,
    readout: Readout,
    run: Mapping[str, Any],
    quality: Mapping[str, Any] | None = None,
    control_vectors: str | None = None,
) -> dict[str, Path]:
    """Write the set into `folder`, and remove what an older run wrote and this one does not: it would mislead a reader.

    Args:
        folder: an existing folder.
        readout: the vectors.
        run: what made them (`run.json`, and the header's metadata).
        quality: the content of `quality.json`; without it there will be none.
        control_vectors: the model's type as transformers names it, for GGUF files; without it there will be none.

    Returns:
        What was written, by name: files, and the folder of the GGUF files.

    Raises:
        UsageError: control vectors are asked for, and cannot hold a layer or cannot be written here.
        AmygdalaError: another export is writing there, or the disk refused; the older set is still whole, or `verify`
            tells that it is not.
    """
    manifest = {
        "concepts": readout.concepts,
        "layers": readout.layers,
        "hidden_size": readout.hidden_size,
        "dtype": "float16",
    }
    documents = {MANIFEST: _json(manifest)}
    run_strings = _flat(run)
    run = dict(run) | {
        "norms": {block: dict(zip(readout.concepts, norms, strict=True)) for block, norms in readout.norms.items()},
        f"sha256:{MANIFEST}": hashlib.sha256(documents[MANIFEST]).hexdigest(),
    }
    documents[RUN] = _json(run)
    if quality is not None:
        documents[QUALITY] = _json(quality)
    try:
        gguf_documents = {} if control_vectors is None else gguf.documents(readout, control_vectors, run_strings)
        documents |= gguf_documents
        hashes = {f"sha256:{name}": hashlib.sha256(data).hexdigest() for name, data in documents.items()}
        documents[VECTORS] = _safetensors(readout.vectors, _flat(run) | hashes)
        with locked(folder):
            replace_all(folder, documents)
            if quality is None:
                (folder / QUALITY).unlink(missing_ok=True)
            gguf.remove_others(folder, gguf_documents)
    except OSError as error:
        raise AmygdalaError(f"cannot write to {folder}: {error.strerror}") from error
    written = [name for name in documents if name not in gguf_documents] + ([gguf.FOLDER] if gguf_documents else [])
    return {name: folder / name for name in written}


def quality_document(
    results: Results,
    verdicts: Mapping[str, Verdict],
    corpus: Corpus,
    redundant_r2: float,
    held_out: Mapping[str, HeldOutConcept] | None = None,
) -> dict[str, Any]:
    """`quality.json`: the contract's fields, and beside them each concept's triage, its outliers' paths, what the
    evidence says of it and of its stories, where these were judged, and how it reads held-out stories, where it was
    asked to."""
    stories = {story.text_id: story for story in corpus.stories}
    paths = {(story.text_id, story.concept): story.path for story in corpus.stories}
    of_corpus = judged(results, corpus, redundant_r2)

    def entry(quality: ConceptQuality) -> dict[str, Any]:
        name, eigenvalues = quality.concept, quality.subspace_eigvals
        return {
            "n_positive_stories": quality.n_positive_stories,
            "per_layer": msgspec.to_builtins(quality.per_layer, str_keys=True),
            "outlier_stories": [[stories[text_id].text, alignment] for text_id, alignment in quality.outliers],
            "outlier_paths": [paths[text_id, name] for text_id, _ in quality.outliers],
            "nearest_concepts": quality.nearest_concepts,
            "per_head": msgspec.to_builtins(quality.per_head, str_keys=True),
            "linear_combination": msgspec.to_builtins(quality.linear_combination, str_keys=True),
            **({"subspace_eigvals": msgspec.to_builtins(eigenvalues, str_keys=True)} if eigenvalues else {}),
            "nulls": {
                "first_pc_variance_ratio": msgspec.to_builtins(quality.first_pc_null),
                "r_squared": msgspec.to_builtins(quality.r_squared_null),
            },
            "triage": msgspec.to_builtins(verdicts[name]),
            **(msgspec.to_builtins(of_corpus.concepts[name]) if name in of_corpus.concepts else {}),
            **({"held_out": msgspec.to_builtins(held_out[name])} if held_out is not None else {}),
            **({"stories": msgspec.to_builtins(of_corpus.stories[name])} if name in of_corpus.stories else {}),
        }

    return {quality.concept: entry(quality) for quality in results.concepts}


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


def _flat(run: Mapping[str, Any]) -> dict[str, str]:
    """The run as strings, since a header holds nothing else."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in run.items()}


def _safetensors(vectors: Mapping[int, Tensor], notes: Mapping[str, str]) -> bytes:
    """A safetensors file: the length of a JSON header in 8 bytes, the header, and all values after one another.

    The package's own writer puts the notes in an order that differs from run to run, so that equal vectors would make
    files with other hashes.
    """
    header: dict[str, Any] = {"__metadata__": dict(sorted(notes.items()))}
    values = b""
    for name, rows in sorted((f"layer_{block}.vectors", rows) for block, rows in vectors.items()):
        data = rows.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        header[name] = {
            "dtype": "F16", "shape": list(rows.shape), "data_offsets": [len(values), len(values) + len(data)]
        }  # fmt: skip
        values += data
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)  # values begin where any type may
    return len(encoded).to_bytes(8, "little") + encoded + values


def _json(document: object) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
