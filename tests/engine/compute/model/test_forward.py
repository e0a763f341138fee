"""A text's activations depend on the text alone: not on its batch, nor on how a tokenizer likes to pad."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from transformers import AutoModel

from engine.compute.model import checkpoint
from engine.compute.model.folder import locate
from engine.compute.model.forward import Extractor, _mean
from engine.compute.model.loaded import LoadedModel
from engine.compute.model.unreadable import UnreadableText
from engine.errors import AmygdalaError
from engine.settings import Settings
from tests import oracle
from tests.engine.compute.model.extracting import extract
from tests.places import MODELS

TEXTS = [
    "Rain.",
    "She waited at the door until the light went out, and then a little longer, in case it came back.",
    "Nobody had told him. He read the letter twice and laughed, and then he sat down on the stairs.",
    "The dog slept.",
]
LAYERS = [0, 2, 4]
POOLINGS: tuple[tuple[Literal["last", "mean"], int], ...] = (("last", 0), ("mean", 0), ("mean", 3))
Loader = Callable[[str], LoadedModel]


@pytest.fixture(params=["left", "right"])
def padding(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("name", MODELS)
def test_alone_or_in_a_batch_is_the_same(
    load_model: Loader, monkeypatch: pytest.MonkeyPatch, name: str, pooling: Literal["last", "mean"], padding: str
) -> None:
    model = load_model(name)
    monkeypatch.setattr(model.tokenizer, "padding_side", padding)
    together = extract(Extractor(model, LAYERS, pooling=pooling), TEXTS)
    alone = extract(Extractor(model, LAYERS, pooling=pooling, batch_size=1), TEXTS)
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one.x, other.x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("name", MODELS)
def test_activations_are_the_oracles(
    load_model: Loader, golden: Path, name: str, pooling: Literal["last", "mean"]
) -> None:
    ours = extract(Extractor(load_model(name), LAYERS, pooling=pooling), TEXTS)
    expected = oracle.activations(golden / "models" / name, TEXTS, LAYERS, pooling=pooling)
    for mine, theirs in zip(ours, expected, strict=True):
        assert mine.x.dtype == torch.float32
        np.testing.assert_allclose(mine.x.double().numpy(), theirs, atol=1e-4, rtol=1e-4)


def test_embedded_models_activations_are_the_oracles(load_model: Loader) -> None:
    ours = extract(Extractor(load_model("embedded"), [1, 3], pooling="mean"), TEXTS)
    expected = oracle.activations(locate("embedded"), TEXTS, [1, 3], pooling="mean")
    for mine, theirs in zip(ours, expected, strict=True):
        np.testing.assert_allclose(mine.x.double().numpy(), theirs, atol=1e-4, rtol=1e-4)


def test_last_block_is_read_before_the_final_norm(llama: LoadedModel, golden: Path) -> None:
    whole = AutoModel.from_pretrained(str(golden / "models" / "llama"))
    (ours,) = extract(Extractor(llama, [4], pooling="last"), [TEXTS[1]])
    ids = torch.tensor([llama.tokenizer(TEXTS[1])["input_ids"]])
    normed = whole(input_ids=ids).last_hidden_state[0, -1].detach()
    assert not torch.allclose(ours.x[0], normed, atol=1e-2)
    torch.testing.assert_close(whole.norm(ours.x[0]).detach(), normed, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_one_pass_gives_every_pooling(llama: LoadedModel, pooling: Literal["last", "mean"]) -> None:
    last, mean, later = (
        extract(Extractor(llama, LAYERS, pooling=kind, pool_from=start), TEXTS) for kind, start in POOLINGS
    )
    together = extract(Extractor(llama, LAYERS, pooling=pooling, pool_from=3, keep_later=True), TEXTS)
    for i, read in enumerate(together):
        assert read.later is not None
        torch.testing.assert_close((read.mean, read.later), (mean[i].x, later[i].x), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(read.x, (last if pooling == "last" else later)[i].x, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pool_from", [1, 3, 10_000])
def test_mean_pooling_starts_where_it_is_told(llama: LoadedModel, golden: Path, pool_from: int) -> None:
    ours = extract(Extractor(llama, [2], pooling="mean", pool_from=pool_from), TEXTS)
    expected = oracle.activations(golden / "models" / "llama", TEXTS, [2], pooling="mean", pool_from=pool_from)
    for mine, theirs in zip(ours, expected, strict=True):
        np.testing.assert_allclose(mine.x.double().numpy(), theirs, atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def mean_of_all_tokens(golden: Path) -> Callable[[str, int], list[np.ndarray]]:
    """What the oracle makes of TEXTS, each run alone."""

    @cache
    def means(name: str, max_length: int) -> list[np.ndarray]:
        folder = locate(name) if name == "embedded" else golden / "models" / name
        return oracle.activations(folder, TEXTS, LAYERS, pooling="mean", max_length=max_length)

    return means


@pytest.mark.parametrize("max_length", [512, 8])
@pytest.mark.parametrize(
    "pooling",
    [{"pooling": "last"}, {"pooling": "mean"}, {"pooling": "mean", "pool_from": 3}],
    ids=["last", "mean", "mean from 3"],
)
@pytest.mark.parametrize("name", [*MODELS, "embedded"])
def test_means_of_all_tokens_are_the_oracles_whatever_the_pooling(
    load_model: Loader, monkeypatch: pytest.MonkeyPatch, mean_of_all_tokens: Callable[[str, int], list[np.ndarray]],
    name: str, pooling: dict[str, Any], max_length: int, padding: str,
) -> None:  # fmt: skip
    model = load_model(name)
    monkeypatch.setattr(model.tokenizer, "padding_side", padding)
    expected = mean_of_all_tokens(name, max_length)
    for batch_size in (1, 3, None):
        ours = extract(Extractor(model, LAYERS, max_length=max_length, batch_size=batch_size, **pooling), TEXTS)
        assert any(activation.truncated for activation in ours) is (max_length == 8)
        for mine, theirs in zip(ours, expected, strict=True):
            assert mine.mean.dtype == torch.float32
            np.testing.assert_allclose(mine.mean.double().numpy(), theirs, atol=1e-4, rtol=1e-4)


def test_mean_pooling_of_all_tokens_makes_their_mean_once(llama: LoadedModel) -> None:
    (pooled,) = extract(Extractor(llama, [1], pooling="mean"), TEXTS[:1])
    (shortened,) = extract(Extractor(llama, [1], pooling="mean", pool_from=1), TEXTS[:1])
    assert pooled.mean is pooled.x
    assert not torch.equal(shortened.mean, shortened.x)


def test_means_of_half_precision_tokens_are_of_full_precision(golden: Path) -> None:
    model = checkpoint.load(Settings(model=str(golden / "models" / "llama"), device="cpu", dtype="bf16"))
    (ours,) = extract(Extractor(model, LAYERS, pooling="last", keep_tokens=True), [TEXTS[1]])
    assert ours.tokens is not None
    torch.testing.assert_close(ours.mean, ours.tokens.float().mean(1))


def test_layers_come_in_the_order_asked_for(llama: LoadedModel) -> None:
    (forwards,) = extract(Extractor(llama, [1, 3], pooling="last"), TEXTS[:1])
    (backwards,) = extract(Extractor(llama, [3, 1], pooling="last"), TEXTS[:1])
    torch.testing.assert_close(forwards.x, backwards.x.flip(0))


def test_long_text_is_cut_and_says_so(llama: LoadedModel, golden: Path) -> None:
    ours = extract(Extractor(llama, [2], pooling="last", max_length=8), TEXTS)
    expected = oracle.activations(golden / "models" / "llama", TEXTS, [2], max_length=8)
    lengths = [len(llama.tokenizer(text)["input_ids"]) for text in TEXTS]
    assert [activation.truncated for activation in ours] == [length > 8 for length in lengths]
    assert {True, False} == {activation.truncated for activation in ours}
    for mine, theirs in zip(ours, expected, strict=True):
        np.testing.assert_allclose(mine.x.double().numpy(), theirs, atol=1e-4, rtol=1e-4)


def test_model_sets_a_limit_of_its_own(load_model: Loader) -> None:
    model = load_model("embedded")
    extractor = Extractor(model, [1], pooling="mean", max_length=100_000)
    assert extractor.max_length == 512
    (activation,) = extract(extractor, ["word " * 3000])
    assert activation.truncated


def test_blocks_above_the_last_target_do_not_run(llama: LoadedModel) -> None:
    ran = []
    hook = llama.anatomy.blocks[3].register_forward_pre_hook(lambda *_: ran.append(3))
    try:
        extract(Extractor(llama, [0, 2], pooling="last"), TEXTS)
    finally:
        hook.remove()
    assert not ran


def test_no_hook_is_left_behind(llama: LoadedModel) -> None:
    extract(Extractor(llama, [0, 2], pooling="last"), TEXTS)
    assert not any(block._forward_hooks for block in llama.anatomy.blocks)


def test_batches_stay_within_their_size(llama: LoadedModel) -> None:
    extractor = Extractor(llama, [1], pooling="last", batch_size=3)
    assert [len(batch) for batch in extractor.run(TEXTS * 2)] == [3, 3, 2]


def test_no_texts_make_no_batches(llama: LoadedModel) -> None:
    assert list(Extractor(llama, [1], pooling="last").run([])) == []


def run_out_of_memory(extractor: Extractor, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Make every batch of more than `most` texts fail."""
    forward = extractor._forward

    def limited(sequences: list[list[int]]) -> Any:
        if len(sequences) > most:
            raise torch.OutOfMemoryError("too much")
        return forward(sequences)

    monkeypatch.setattr(extractor, "_forward", limited)


def test_out_of_memory_halves_the_batch_and_goes_on(llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = extract(Extractor(llama, [1], pooling="last"), TEXTS)
    extractor = Extractor(llama, [1], pooling="last")
    run_out_of_memory(extractor, monkeypatch, most=1)
    ours = extract(extractor, TEXTS)
    for mine, theirs in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine.x, theirs.x, atol=1e-4, rtol=1e-4)


def test_out_of_memory_with_one_text_says_what_to_do(llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = Extractor(llama, [1], pooling="last")
    run_out_of_memory(extractor, monkeypatch, most=0)
    with pytest.raises(AmygdalaError, match="--max-length"):
        extract(extractor, TEXTS)


def test_activation_that_is_not_finite_is_refused(llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = Extractor(llama, [1], pooling="last")
    forward = extractor._forward

    def infinite(sequences: list[list[int]]) -> Any:
        taken = forward(sequences)
        return dataclasses.replace(taken, x=taken.x + torch.inf)

    monkeypatch.setattr(extractor, "_forward", infinite)
    with pytest.raises(AmygdalaError, match="not finite"):
        extract(extractor, TEXTS)


def test_mean_that_is_not_finite_is_refused_though_the_last_token_is(
    llama: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor = Extractor(llama, [1], pooling="last")
    forward = extractor._forward

    def infinite(sequences: list[list[int]]) -> Any:
        taken = forward(sequences)
        assert taken.means is not None
        means = taken.means.clone()
        means[0, -1, 0] = torch.inf  # the shortest text's
        return dataclasses.replace(taken, means=means)

    monkeypatch.setattr(extractor, "_forward", infinite)
    outcomes = dict(outcome for batch in extractor.run(TEXTS) for outcome in batch)
    assert [i for i, outcome in outcomes.items() if isinstance(outcome, UnreadableText)] == [TEXTS.index("Rain.")]


def test_token_that_is_not_finite_is_refused_though_it_is_not_the_last(
    llama: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor = Extractor(llama, [1], pooling="last", keep_tokens=True)
    forward = extractor._forward

    def infinite(sequences: list[list[int]], place: int) -> Any:
        taken = forward(sequences)
        assert taken.tokens is not None
        tokens = taken.tokens[0].clone()
        tokens[-1, place] = torch.inf
        return dataclasses.replace(taken, tokens=[tokens])

    monkeypatch.setattr(extractor, "_forward", lambda sequences: infinite(sequences, -1))
    extract(extractor, TEXTS)  # there the shortest text is padded
    monkeypatch.setattr(extractor, "_forward", lambda sequences: infinite(sequences, 0))
    with pytest.raises(AmygdalaError, match="not finite"):
        extract(extractor, TEXTS)


@pytest.mark.parametrize(("pooling", "expected"), [("mean", [2.0, 3.0]), ("last", [3.0, 4.0])])
def test_nan_at_a_padded_position_stays_there(
    llama: LoadedModel, pooling: Literal["mean", "last"], expected: list[float]
) -> None:
    residual = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [torch.nan, torch.inf]]])
    pooled = Extractor(llama, [0], pooling=pooling)._pool(residual, torch.tensor([2]))
    assert pooled.tolist() == [expected]
    assert _mean(residual, torch.tensor([2])).tolist() == [[2.0, 3.0]]


# Traces

SPOKEN = "Café 🙂, she said. Naïve — 日本 e\u0301!\n\n  No one  came 👩\u200d👧."


@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("name", [*MODELS, "embedded"])
def test_trace_reads_what_a_run_reads(load_model: Loader, name: str, pooling: Literal["last", "mean"]) -> None:
    model = load_model(name)
    extractor = Extractor(model, [0, 2, 3], pooling=pooling)
    for text in [*TEXTS, SPOKEN]:
        (expected,) = extract(extractor, [text])
        (whole,) = extract(Extractor(model, [0, 2, 3], pooling=pooling, keep_tokens=True), [text])
        trace = extractor.trace(text)
        assert trace.activation.tokens is None
        torch.testing.assert_close(trace.activation.x, expected.x, rtol=0, atol=0)
        torch.testing.assert_close(trace.activation.heads, expected.heads, rtol=0, atol=0)
        torch.testing.assert_close(trace.tokens, whole.tokens, rtol=0, atol=0)
        pooled = trace.tokens[:, -1] if pooling == "last" else trace.tokens.mean(1)
        torch.testing.assert_close(pooled, expected.x)
        assert len(trace.offsets) == trace.tokens.shape[1] == len(model.tokenizer(text)["input_ids"])


def test_trace_of_one_that_keeps_tokens_has_them_in_both_forms(golden: Path) -> None:
    model = checkpoint.load(Settings(model=str(golden / "models" / "llama"), device="cpu", dtype="bf16"))
    trace = Extractor(model, [1], pooling="last", keep_tokens=True).trace(TEXTS[1])
    assert trace.activation.tokens is not None
    assert trace.activation.tokens.dtype == torch.bfloat16
    torch.testing.assert_close(trace.tokens, trace.activation.tokens.float(), rtol=0, atol=0)


@pytest.mark.parametrize("text", [*TEXTS, SPOKEN, "  \n Lead and trail. \n", "\U0001f44d\U0001f3fd"])
@pytest.mark.parametrize("name", MODELS)
def test_spans_of_byte_level_tokens_are_of_whole_characters(load_model: Loader, name: str, text: str) -> None:
    tokenizer = load_model(name).tokenizer
    offsets = Extractor(load_model(name), [0], pooling="last").trace(text).offsets
    ids = tokenizer(text)["input_ids"]
    if name == "llama":
        assert offsets[0] == (0, 0), "its opening token stands for no text"
        ids, offsets = ids[1:], offsets[1:]
    spans = sorted(set(offsets))
    assert [text[start:end] for start, end in spans] == [
        tokenizer.decode([i for i, span in zip(ids, offsets, strict=True) if span == wanted]) for wanted in spans
    ]
    assert "".join(text[start:end] for start, end in spans) == text


def test_spans_of_words_are_of_the_text_as_it_was_given(load_model: Loader) -> None:
    offsets = Extractor(load_model("embedded"), [0], pooling="mean").trace(SPOKEN).offsets
    assert offsets[0] == offsets[-1] == (0, 0), "opening and closing tokens stand for no text"
    assert [SPOKEN[start:end] for start, end in offsets[1:-1]] == [
        "Café", "🙂", ",", "she", "said", ".", "Naïve", "—", "日", "本",
        "e",  # BERT drops the accent that stands by itself
        "!", "No", "one", "came", "👩\u200d👧", ".",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["llama", "gpt2", "embedded"])
def test_trace_of_a_long_text_is_cut_as_a_run_cuts_it(load_model: Loader, name: str) -> None:
    extractor = Extractor(load_model(name), [1], pooling="mean", max_length=8)
    (expected,) = extract(extractor, [TEXTS[2]])
    trace = extractor.trace(TEXTS[2])
    assert trace.activation.truncated
    assert trace.tokens.shape[1] == len(trace.offsets) == 8
    torch.testing.assert_close(trace.activation.x, expected.x, rtol=0, atol=0)
    assert (trace.offsets[-1] == (0, 0)) is (name == "embedded")
    assert max(end for _, end in trace.offsets) < len(TEXTS[2])


def test_tokenizer_that_knows_no_spans_says_so(llama: LoadedModel) -> None:
    plain = dataclasses.replace(llama, tokenizer=lambda texts, **_: {"input_ids": [[1, 2] for _ in texts]})
    with pytest.raises(AmygdalaError, match=r"cannot tell where in a text its tokens are"):
        Extractor(plain, [1], pooling="last").trace("Rain.")


def test_trace_of_what_makes_no_token_is_refused(load_model: Loader) -> None:
    with pytest.raises(AmygdalaError, match="makes no token"):
        Extractor(load_model("gpt2"), [1], pooling="last").trace("")
