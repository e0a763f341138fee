"""Looking through a model without its weights, and loading the part of it that texts pass."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar, cast

import torch
from torch import nn

from engine.compute.model.anatomy import (
    Anatomy,
    dissect,
    find_blocks,
    leftovers,
    needs_masking,
    text_config,
    unread,
)
from engine.compute.model.check import check
from engine.compute.model.device import pick_device
from engine.compute.model.folder import (
    Digest,
    Remembered,
    Signature,
    file_sha256,
    hashes,
    identifying_files,
    locate,
    signature_of,
)
from engine.compute.model.loaded import LoadedModel, Model, Outline, longest_sequence
from engine.compute.model.parts import Parts, check_parts
from engine.compute.model.precision import pick_dtype
from engine.compute.model.skeleton import build_skeleton, cut_type, plain_config
from engine.compute.model.sketch import Sketch
from engine.compute.model.tokenizer import load_tokenizer
from engine.errors import AmygdalaError
from engine.settings import Settings

WEIGHTS_SHARE = 0.8
"""The share of a GPU's free memory that weights may take; the rest is for activations."""
SHOWN_NAMES = 3
"""Tensors named in an error."""
ADAPTER_MARKS = ("lora_", "adapter", "base_layer", "modules_to_save")
"""In names of tensors that an adapter adds."""
SCALE_MARKS = ("scale", "zero_point", "qzeros", "g_idx", "absmax", "quant_", "qweight", "packed")
"""In names of tensors that quantisation adds."""

T = TypeVar("T")


class Checkpoint:
    """A model's folder, found and checked: what it is made of, and how to load part of it.

    It is looked through, without its weights, when that is first asked of it: this takes the import of transformers.

    Raises:
        UsageError: there is no such model or device.
        AmygdalaError: it is not in safetensors, or wants code of its own. Whatever looks through it raises this where
            it has no recognisable blocks.
    """

    def __init__(self, settings: Settings, digest: Digest = file_sha256) -> None:
        self._settings = settings
        self._digest = digest
        self._folder = locate(settings.model, trust_remote_code=settings.trust_remote_code)
        check(self._folder, settings)
        self._dtype = pick_dtype(settings, self._folder)
        self._signatures = self._signatures_now()
        self._hashing: Future[tuple[str, str]] | None = None

    @property
    def n_blocks(self) -> int:
        """How many blocks it has."""
        return self._whole.n_blocks

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, loaded when it is first used.

        Raises:
            AmygdalaError: it cannot be loaded.
        """
        return _guard(
            self._settings, lambda: load_tokenizer(self._folder, trust_remote_code=self._settings.trust_remote_code)
        )

    def start_hashing(self) -> None:
        """Hash its files in the background, whoever may ask for it; the import of transformers can go on meanwhile."""
        self._hashing = _in_background(lambda: hashes(self._folder, self._settings, self._digest))

    def identify(self, remembered: Remembered) -> tuple[str, str] | None:
        """The hashes of the model and of its tokenizer, if they take no reading; None where a file is new.

        Raises:
            AmygdalaError: these are not the files that were packaged.
        """

        def recall(file: Path) -> str:
            digest = remembered(file)
            if digest is None:
                raise LookupError(file)
            return digest

        try:
            return hashes(self._folder, self._settings, recall)
        except LookupError:
            return None

    @property
    def is_quantised(self) -> bool:
        """Whether its weights are in a format from which they are restored as it is loaded."""
        return getattr(self._skeleton.config, "quantization_config", None) is not None

    @property
    def is_as_it_was(self) -> bool:
        """Whether the files that identify the model are those that were there when it was found."""
        return self._signatures is not None and self._signatures == self._signatures_now()

    def outline(self, last_layer: int | None = None) -> Model:
        """Describe what `load(last_layer)` would give, and leave the loading for when the weights are needed.

        A quantised model is loaded at once: its parts are not known before that.

        Raises:
            AmygdalaError: its files cannot be read, or are not those that were packaged.
        """
        identity = self._identity()
        if self.is_quantised:
            return self.load(last_layer)
        depth = self.n_blocks if last_layer is None else last_layer + 1
        bare = replace(self._whole, blocks=self._whole.blocks[:depth])
        needs_mask = needs_masking(self._skeleton, bare.blocks)
        sketch = Sketch.of(
            bare,
            kind=_kind(self._skeleton),
            needs_mask=needs_mask,
            max_positions=longest_sequence(self._skeleton, (lambda: self.tokenizer) if needs_mask else None),
        )
        return self.outlined(sketch, *identity.result())

    def outlined(self, sketch: Sketch, model_hash: str, tokenizer_hash: str) -> Outline:
        """The outline of a model whose sketch and hashes are known."""
        device = pick_device(self._settings.device)
        return Outline(
            name=self._settings.model,
            device=torch.device("cuda", device.index or 0) if device.type == "cuda" else torch.device("cpu"),
            dtype=self._dtype,
            model_hash=model_hash,
            tokenizer_hash=tokenizer_hash,
            sketch=sketch,
            load=lambda: self.load(None if sketch.depth == sketch.n_blocks else sketch.depth - 1),
            load_tokenizer=lambda: self.tokenizer,
        )

    def load(self, last_layer: int | None = None) -> LoadedModel:
        """Load for inference what texts pass on their way to the end of block `last_layer` (None: of the last block).

        Blocks above, the final norm, heads and the towers of other senses are neither read nor held.

        Raises:
            AmygdalaError: it cannot be loaded, or weights are missing from it.
        """
        identity = self._identity()
        module, tokenizer = self._load_both(last_layer)
        model_hash, tokenizer_hash = identity.result()
        weight_devices = {str(weight.device) for weight in module.parameters()} - {"meta"}
        offload_devices = set(map(str, getattr(module, "hf_device_map", {}).values())) & {"cpu", "disk"}
        gpus = sorted(name for name in weight_devices if name.startswith("cuda"))
        anatomy = dissect(module, self._parts, self.n_blocks)
        return LoadedModel(
            name=self._settings.model,
            module=module,
            tokenizer=tokenizer,
            anatomy=anatomy,
            device=torch.device(gpus[0] if gpus else "cpu"),
            dtype=self._dtype,
            model_hash=model_hash,
            tokenizer_hash=tokenizer_hash,
            kind=_kind(module),
            needs_mask=needs_masking(module, anatomy.blocks),
            placement=", ".join([*gpus, *sorted(offload_devices)]) or "cpu",
            offloaded=pick_device(self._settings.device).type == "cuda" and bool(offload_devices or not gpus),
        )

    def _identity(self) -> Future[tuple[str, str]]:
        """The hashes of the files as they are now; those that are being made serve, too."""
        if self._hashing is None or self._hashing.done():
            self.start_hashing()
        assert self._hashing is not None
        return self._hashing

    def _signatures_now(self) -> list[tuple[Path, Signature]] | None:
        """None where a file has gone since the folder was checked."""
        files = itertools.chain(*identifying_files(self._folder, self._settings))
        try:
            return [(file, signature_of(file)) for file in files]
        except OSError:
            return None

    @cached_property
    def _skeleton(self) -> nn.Module:
        skeleton = _guard(self._settings, lambda: build_skeleton(self._folder, self._settings))
        if getattr(skeleton.config, "is_encoder_decoder", False):
            raise AmygdalaError(
                f"--model {self._settings.model}: it reads with an encoder and writes with a decoder; "
                "take a model of one stack, a decoder or an encoder"
            )
        return skeleton

    @cached_property
    def _blocks(self) -> str:
        return find_blocks(self._skeleton, Parts.of(self._settings))

    @cached_property
    def _parts(self) -> Parts:
        return replace(Parts.of(self._settings), blocks=self._blocks)

    @cached_property
    def _whole(self) -> Anatomy:
        """The parts of the skeleton, whose weights have shapes and no values."""
        whole = dissect(self._skeleton, self._parts)
        if not self.is_quantised:
            check_parts(whole.blocks, self._parts, whole.hidden_size)
        return whole

    def _load_both(self, last_layer: int | None) -> tuple[nn.Module, Any]:
        """The model and its tokenizer, which is loaded beside it."""
        self._skeleton  # noqa: B018  # both need what it imports
        with warnings.catch_warnings():  # around both threads, since filters are the process's
            tokenizer = _in_background(lambda: self.tokenizer)
            try:
                module = _guard(self._settings, lambda: self._load(last_layer))
            finally:
                wait([tokenizer])
        return module, tokenizer.result()

    def _load(self, last_layer: int | None) -> nn.Module:
        cut = unread(self._skeleton, self._blocks)
        model_type = cut_type(type(self._skeleton), self._blocks, cut, last_layer)
        module, loading_info = model_type.from_pretrained(
            str(self._folder),
            config=plain_config(deepcopy(self._skeleton.config)),
            dtype=self._dtype,
            use_safetensors=True,
            trust_remote_code=self._settings.trust_remote_code,
            device_map=self._device_map(last_layer),
            output_loading_info=True,
        )
        if loading_info["missing_keys"]:
            names = sorted(loading_info["missing_keys"])
            raise AmygdalaError(f"{len(names)} of its weights are not in its files, {names[0]} among them")
        extra = leftovers(loading_info["unexpected_keys"], module, self._blocks, cut)
        if extra:
            raise AmygdalaError(_unread_weights(extra))
        module.config.use_cache = text_config(module).use_cache = False
        return cast(nn.Module, module.eval().requires_grad_(False))

    def _device_map(self, last_layer: int | None) -> Any:
        """Where weights go: `auto` is one GPU if they fit there with room to work in, else as many as there are."""
        device = pick_device(self._settings.device)
        if device.type == "cpu":
            return None
        if (
            self._settings.device == "auto"
            and self._bytes(last_layer) > WEIGHTS_SHARE * torch.cuda.mem_get_info(device)[0]
        ):
            return "auto"
        return {"": device}

    def _bytes(self, last_layer: int | None) -> int:
        """Memory that the weights will take."""
        above = range(self.n_blocks if last_layer is None else last_layer + 1, self.n_blocks)
        dropped = (*unread(self._skeleton, self._blocks), *(f"{self._blocks}.{block}" for block in above))
        sizes = [
            weight.numel()
            for name, weight in self._skeleton.named_parameters()
            if not any(name.startswith(f"{path}.") for path in dropped)
        ]
        return sum(sizes) * self._dtype.itemsize


def load(settings: Settings, digest: Digest = file_sha256, last_layer: int | None = None) -> LoadedModel:
    """Find and load the model that `settings` name, up to block `last_layer` (None: all of it). See `Checkpoint`."""
    return Checkpoint(settings, digest).load(last_layer)


def _unread_weights(names: Sequence[str]) -> str:
    """Says which tensors of a checkpoint its model does not use, and what they probably are."""
    listed = ", ".join(names[:SHOWN_NAMES]) + (f" and {len(names) - SHOWN_NAMES} more" if names[SHOWN_NAMES:] else "")
    if any(mark in name for name in names for mark in ADAPTER_MARKS):
        advice = "They belong to an adapter; merge it into the weights first"
    elif any(mark in name for name in names for mark in SCALE_MARKS):
        advice = "They are scales of a quantisation that is not supported; take the unquantised model"
    else:
        advice = "Its config.json may be that of another model, or of another version of it"
    return f"the model does not use {len(names)} of the tensors in its files: {listed}.\n{advice}"


def _guard(settings: Settings, build: Callable[[], T]) -> T:
    """Run `build`, and say in words what goes wrong: a broken checkpoint may raise anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return build()
    except torch.OutOfMemoryError as error:
        raise AmygdalaError(
            f"--model {settings.model}: out of memory while loading it; "
            "use a smaller --dtype, another --device, or free the memory that others hold"
        ) from error
    except Exception as error:
        raise AmygdalaError(f"--model {settings.model}: cannot be loaded: {error}") from error


def _in_background(job: Callable[[], T]) -> Future[T]:
    """Run a job in a thread of its own (hashing releases the interpreter's lock); its future's result waits for it."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(job())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def _kind(module: nn.Module) -> str:
    return str(getattr(module.config, "model_type", ""))
