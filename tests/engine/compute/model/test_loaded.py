"""An outline says of a model what the loaded one says, and loads it when, and only when, a text must be run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, Literal

import pytest
import torch
from transformers import PreTrainedModel

from engine.compute.activations.source import Source, Tally, silent
from engine.compute.activations.store import Store
from engine.compute.live.sweep import layers_for
from engine.compute.model import checkpoint
from engine.compute.model.checkpoint import Checkpoint
from engine.compute.model.depth import is_deep_enough, load_for, outline_for
from engine.compute.model.folder import file_sha256
from engine.compute.model.forward import Activation, Extractor
from engine.compute.model.loaded import LoadedModel, Model, Outline
from engine.compute.model.precision import DTYPES
from engine.compute.model.tokenizer import load_tokenizer
from engine.corpus import text_id
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.wire.jobs import Placement
from tests import families
from tests.engine.compute.model import extracting
from tests.engine.compute.model.altered import change, gpus
from tests.engine.compute.model.told import facts
from tests.places import MODELS

TEXTS = ["Rain.", "She waited at the door until the light went out.", "He swore at the lid, and went in.", "A dog."]
STORIES = {text_id(text): text for text in TEXTS}
PLACEMENTS = [Placement(i, "calm" if n % 2 else "sad") for n, i in enumerate(STORIES)]

Load = Callable[[Checkpoint, int | None], Any]


@pytest.fixture
def folder(golden: Path, tmp_path: Path) -> Path:
    """A copy of the tiny llama that a test may break."""
    return Path(shutil.copytree(golden / "models" / "llama", tmp_path / "llama"))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Grows by an element, the last block asked for, whenever weights are loaded."""
    depths: list[int | None] = []
    load: Load = Checkpoint._load

    def noted(checkpoint: Checkpoint, last_layer: int | None) -> Any:
        depths.append(last_layer)
        return load(checkpoint, last_layer)

    monkeypatch.setattr(Checkpoint, "_load", noted)
    return depths


def settings(model: Path | str, **chosen: Any) -> Settings:
    return Settings(model=str(model), **({"device": "cpu"} | chosen))


def outline(model: Path | str, last_layer: int | None = None, **chosen: Any) -> Outline:
    described = Checkpoint(settings(model, **chosen)).outline(last_layer)
    assert isinstance(described, Outline)
    return described


def extract(extractor: Extractor, texts: Sequence[str] = TEXTS) -> list[Activation]:
    return extracting.extract(extractor, texts)


# What it says


@pytest.mark.parametrize("last_layer", [None, 2])
@pytest.mark.parametrize("name", [*MODELS, "embedded"])
def test_outline_and_loaded_model_say_the_same(
    golden: Path, loads: list[int | None], name: str, last_layer: int | None
) -> None:
    bare = outline(name if name == "embedded" else golden / "models" / name, last_layer)
    told = facts(bare)
    assert not loads
    assert not bare.is_loaded
    assert bare.bytes_held == 0
    loaded = bare.loaded()
    assert loads == [last_layer]
    assert told == facts(loaded) == facts(bare)
    assert bare.is_loaded
    assert bare.bytes_held == loaded.bytes_held > 0
    assert bare.anatomy is loaded.anatomy, "hooks and weights are those of the loaded model"


@pytest.mark.parametrize("family", families.FAMILIES)
def test_outline_and_loaded_model_of_every_family_say_the_same(tmp_path: Path, family: str) -> None:
    bare = outline(families.make(family, tmp_path), 2)
    assert facts(bare) == facts(bare.loaded())


@pytest.mark.parametrize(("pooling", "pool_from"), [("last", 0), ("mean", 0), ("mean", 3)])
@pytest.mark.parametrize("name", [*MODELS, "embedded"])
def test_recipe_is_the_loaded_models(
    golden: Path,
    load_model: Callable[[str], LoadedModel],
    loads: list[int | None],
    name: str,
    pooling: Literal["last", "mean"],
    pool_from: int,
) -> None:
    loaded = load_model(name)
    loads.clear()
    bare = outline(name if name == "embedded" else golden / "models" / name, 3)
    for length in (8, 100_000):
        ours, theirs = (
            Extractor(model, [1, 3], pooling=pooling, pool_from=pool_from, max_length=length)
            for model in (bare, loaded)
        )
        assert ours.recipe.encode() == theirs.recipe.encode()
    assert not loads


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
def test_number_format_is_the_one_that_will_be_loaded(folder: Path, dtype: str) -> None:
    bare = outline(folder, dtype=dtype)
    assert bare.dtype == bare.loaded().dtype == DTYPES[dtype]


@pytest.mark.parametrize(("device", "expected"), [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1")])
def test_device_is_the_one_that_weights_will_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, device: str, expected: str
) -> None:
    gpus(monkeypatch, 2, free=10**9)
    bare = outline(folder, device=device)
    assert bare.device == torch.device(expected)
    assert bare.placement == expected
    assert bare.dtype == torch.bfloat16


def test_quantised_model_is_loaded_at_once(folder: Path, llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    change(folder / "config.json", quantization_config={"quant_method": "fp8"})
    monkeypatch.setattr(Checkpoint, "load", lambda *_: llama)
    assert Checkpoint(settings(folder)).outline(2) is llama


def test_loaded_model_is_its_own_outline(llama: LoadedModel) -> None:
    assert llama.is_loaded
    assert llama.loaded() is llama


# When it loads


def test_weights_are_loaded_for_the_first_text_and_once(
    folder: Path, llama: LoadedModel, loads: list[int | None]
) -> None:
    bare = outline(folder, 3)
    one, other = (Extractor(bare, [1, 3], pooling="last", keep_tokens=True) for _ in range(2))
    assert list(one.run([])) == []
    assert not loads
    assert not one.is_loaded
    expected = extract(Extractor(llama, [1, 3], pooling="last", keep_tokens=True))
    for ours in (extract(one), extract(one), extract(other)):
        for mine, theirs in zip(ours, expected, strict=True):
            torch.testing.assert_close(
                (mine.x, mine.heads, mine.tokens), (theirs.x, theirs.heads, theirs.tokens), rtol=0, atol=0
            )
    assert loads == [3]
    assert one.is_loaded
    assert one.loaded() is other.loaded() is bare.loaded()


def test_loaded_weights_are_ordinary_ones(folder: Path) -> None:
    extractor = Extractor(outline(folder), [1], pooling="last")
    extract(extractor)
    assert not any(weight.is_inference() for weight in extractor.loaded().module.parameters())


def test_tokenizer_is_loaded_where_a_text_needs_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def noted(folder: Path, **how: bool) -> Any:
        asked.append(folder)
        return load_tokenizer(folder, **how)

    monkeypatch.setattr(checkpoint, "load_tokenizer", noted)
    extractor = Extractor(outline(folder), [1], pooling="last")
    assert not asked
    extract(extractor)
    assert asked == [folder]


def test_nothing_is_loaded_for_what_the_store_knows(
    folder: Path, llama: LoadedModel, tmp_path: Path, loads: list[int | None]
) -> None:
    store = Store(tmp_path / "cache")

    def fetch(model: Model, tally: Tally) -> None:
        dict(Source(Extractor(model, [1], pooling="last"), store).fetch(STORIES, (), silent, tally))

    fetch(llama, Tally())
    bare, tally = outline(folder), Tally()
    fetch(bare, tally)
    assert tally.n_cached == len(STORIES)
    assert not loads


def test_threads_that_need_weights_at_once_load_them_once(folder: Path, loads: list[int | None]) -> None:
    bare, together = outline(folder), Barrier(4)

    def load(_: int) -> LoadedModel:
        together.wait()
        return bare.loaded()

    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(load, range(4)))
    assert all(model is loaded[0] for model in loaded)
    assert loads == [None]


# When it fails


def test_failure_to_load_is_said_as_ever_and_may_pass(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    extractor = Extractor(outline(folder), [1], pooling="last")
    with monkeypatch.context() as patch:
        patch.setattr(PreTrainedModel, "from_pretrained", too_large)
        with pytest.raises(AmygdalaError, match="out of memory while loading it"):
            extract(extractor)
    assert not extractor.is_loaded
    assert len(extract(extractor)) == len(TEXTS)


def test_damaged_weights_are_refused_when_they_are_needed(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not safetensors at all")
    bare = outline(folder)
    for _ in range(2):
        with pytest.raises(AmygdalaError, match="cannot be loaded"):
            bare.loaded()


def test_weights_of_another_model_than_was_described_are_not_taken(folder: Path) -> None:
    bare = outline(folder)
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(AmygdalaError, match="its files changed"):
        bare.loaded()
    assert not bare.is_loaded


def test_tampered_embedded_model_is_refused_before_anything_is_read_by_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "locate", lambda _, **__: folder)
    with pytest.raises(AmygdalaError, match="not the ones that were packaged"):
        outline("embedded")


# How deep


@pytest.mark.parametrize("target_layers", ["0,2", "50%", "auto"])
def test_outline_is_as_deep_as_the_model_that_would_be_loaded(folder: Path, target_layers: str) -> None:
    chosen = settings(folder, target_layers=target_layers)
    bare, loaded = outline_for(chosen, file_sha256), load_for(chosen, file_sha256)
    depth = loaded.anatomy.depth
    assert bare.anatomy.depth == depth
    assert is_deep_enough(bare, chosen)
    assert is_deep_enough(bare, settings(folder, target_layers="4")) is (depth == 5)
    assert bare.loaded().anatomy.depth == depth


def test_sweep_loads_the_whole_model_if_the_store_lacks_its_texts_and_else_nothing(
    folder: Path, tmp_path: Path, loads: list[int | None]
) -> None:
    chosen, store = settings(folder, target_layers="auto"), Store(tmp_path / "cache")
    first, again = (layers_for(outline_for(chosen, store.digest), chosen, store, PLACEMENTS, STORIES) for _ in range(2))
    assert first == again
    assert loads == [None]
