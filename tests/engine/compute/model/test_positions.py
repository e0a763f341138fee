"""Stories longer than a model takes are cut at their end, and at what the model itself says that it takes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from engine.compute.model.checkpoint import Checkpoint
from engine.compute.model.forward import Extractor
from engine.compute.model.tokens import Tokens, tokenize
from engine.settings import Settings
from tests import families
from tests.engine.compute.model.altered import change
from tests.engine.compute.model.extracting import extract
from tests.places import GOLDEN

LONG = "She laughed until the neighbours knocked. " + "And then it rained again on the garden. " * 60


@pytest.mark.parametrize("model", ["llama", "gpt2"])
def test_story_is_cut_at_its_end_whatever_the_tokenizer_prefers(golden: Path, tmp_path: Path, model: str) -> None:
    folder = Path(shutil.copytree(golden / "models" / model, tmp_path / model))
    expected, traced = first_tokens(folder)
    change(folder / "tokenizer_config.json", truncation_side="left")
    change(
        folder / "tokenizer.json",
        truncation={"direction": "Left", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
    )
    assert first_tokens(folder) == (expected, traced)
    assert traced[1][1] < 20


def first_tokens(folder: Path) -> tuple[list[int], list[tuple[int, int]]]:
    """What is read of the long story: its tokens, and where they are in it."""
    extractor = Extractor(
        Checkpoint(Settings(model=str(folder), device="cpu")).load(0), [0], pooling="last", max_length=32
    )
    model = extractor.loaded()
    (tokens,) = tokenize(model.tokenizer, [LONG], 32, model.vocabulary)
    assert isinstance(tokens, Tokens)
    assert (tokens.truncated, len(tokens.ids)) == (True, 32)
    return tokens.ids, extractor.trace(LONG).offsets


@pytest.mark.parametrize(
    "kind", ["Roberta", "XLMRoberta", "Camembert", "Longformer", "MPNet", "Data2VecText", "RobertaPreLayerNorm", "Esm"]
)
@pytest.mark.parametrize("padding", [0, 1, 5])
def test_rows_that_padding_keeps_are_not_positions_of_text(tmp_path: Path, kind: str, padding: int) -> None:
    if kind == "MPNet":
        padding = 1  # written into its code
    config: dict[str, Any] = {
        "vocab_size": families.VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 64 + padding + 1,
        "pad_token_id": padding,
        "type_vocab_size": 1,
    }
    config |= {"attention_window": 16} if kind == "Longformer" else {}
    config |= {"position_embedding_type": "absolute"} if kind == "Esm" else {}
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**config))
    model.save_pretrained(tmp_path)
    without_a_length(tmp_path)
    loaded = Checkpoint(Settings(model=str(tmp_path), device="cpu"))
    outline, whole = loaded.outline(), loaded.load()
    assert outline.max_positions == whole.max_positions == 64
    (activation,) = extract(Extractor(whole, [1], pooling="last"), [LONG])
    assert activation.truncated
    assert activation.x.isfinite().all()


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_table_without_a_row_for_padding_is_all_of_the_texts(golden: Path, name: str) -> None:
    folder = golden / "models" / name
    positions = transformers.AutoConfig.from_pretrained(folder).max_position_embeddings
    assert Checkpoint(Settings(model=str(folder), device="cpu")).outline().max_positions == positions


def without_a_length(folder: Path) -> None:
    """Give a model a tokenizer that knows no length."""
    file = GOLDEN / "models" / "gpt2" / "tokenizer.json"
    make: Any = transformers.PreTrainedTokenizerFast
    make(tokenizer_file=str(file), unk_token="<unk>").save_pretrained(folder)
