"""Every message survives the wire; whatever else comes is a ProtocolError and nothing worse."""

from __future__ import annotations

import json
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.corpus import Change, Problem
from engine.evidence import Camps, ConceptEvidence, Measured, StoryEffect, Strength
from engine.results import (
    ConceptQuality,
    CopyOf,
    Cost,
    Difference,
    Draft,
    Facts,
    HeadQuality,
    LayerQuality,
    LinearCombination,
    Null,
    OtherNarrator,
    Prose,
    Reading,
    Results,
    SentenceEffect,
)
from engine.settings import Settings
from engine.triage import Bucket, Verdict
from engine.verdicts import ConceptVerdict, Finding
from engine.wire import codec, protocol, snapshot
from engine.wire.codec import ProtocolError
from engine.wire.revisions import Comparison, Metrics, Revision
from engine.wire.status import CorpusStatus, ModelStatus

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 2**53)


PAIR = st.tuples(st.none() | NUMBER, st.none() | NUMBER)
WORDS = st.tuples(st.none() | TEXT, st.none() | TEXT)
RANKED = st.lists(st.tuples(TEXT, NUMBER), max_size=2)
COST = st.builds(Cost, texts_run=COUNT, texts_cached=COUNT, seconds_forward=NUMBER, seconds_statistics=NUMBER)
LAYER = st.builds(
    LayerQuality,
    first_pc_variance_ratio=NUMBER,
    top3_variance_ratios=st.lists(NUMBER, max_size=3),
    story_projection_mean=NUMBER,
    story_projection_std=st.none() | NUMBER,
    story_projection_min=NUMBER,
    story_projection_max=NUMBER,
    story_alignment_mean=NUMBER,
    story_alignment_std=NUMBER,
    best_neuron_idx=st.none() | COUNT,
    best_neuron_cosine=st.none() | NUMBER,
    top5_neurons=st.lists(st.tuples(COUNT, NUMBER), max_size=2),
)
COMBINATION = st.builds(LinearCombination, r_squared=NUMBER, residual_norm=NUMBER, top_contributors=RANKED)
NULL = st.builds(Null, low=NUMBER, mean=NUMBER, high=NUMBER)
HEADS = st.builds(
    HeadQuality,
    n_heads=COUNT,
    head_dim=COUNT,
    top_heads=st.lists(st.tuples(COUNT, NUMBER, NUMBER), max_size=2),
    head_concentration=NUMBER,
)
QUALITY = st.builds(
    ConceptQuality,
    concept=TEXT,
    n_positive_stories=COUNT,
    per_layer=st.dictionaries(COUNT, LAYER, max_size=2),
    linear_combination=st.dictionaries(COUNT, COMBINATION, max_size=2),
    per_head=st.dictionaries(COUNT, HEADS, max_size=2),
    subspace_eigvals=st.dictionaries(COUNT, st.lists(NUMBER, max_size=3), max_size=2),
    first_pc_null=NULL,
    r_squared_null=st.none() | NULL,
    nearest_concepts=RANKED,
    outliers=RANKED,
)
VERDICT = st.builds(
    Verdict, bucket=st.sampled_from(Bucket), redundant=st.booleans(), thin=st.booleans(), reasons=st.lists(TEXT)
)
STRENGTH = st.none() | st.sampled_from(get_args(Strength))
STORY = st.builds(
    snapshot.StoryView,
    path=TEXT,
    concept=st.none() | TEXT,
    scenario=st.none() | TEXT,
    state=st.sampled_from(get_args(snapshot.StoryState)),
    misfit=st.none() | NUMBER,
    strength=STRENGTH,
    shares=RANKED,
    rank=st.none() | COUNT,
    reason=TEXT,
    effect=st.none() | NUMBER,
)
MEASURED = st.builds(Measured, value=NUMBER, low=NUMBER, high=NUMBER)
PLACES = st.lists(st.tuples(TEXT, st.none() | TEXT), max_size=2)
CONCEPT_EVIDENCE = st.builds(
    ConceptEvidence,
    concept=TEXT,
    auroc=st.none() | MEASURED,
    rival=st.none() | TEXT,
    rival_auroc=st.none() | MEASURED,
    stability=st.none() | NUMBER,
    camps=st.none() | st.builds(Camps, p_value=NUMBER, smaller=PLACES),
    pulls=st.lists(st.tuples(TEXT, TEXT, st.none() | TEXT, NUMBER), max_size=1),
    own_share=st.none() | NUMBER,
    own_auroc=st.none() | MEASURED,
    without_own=PLACES,
)
CONCEPT = st.builds(
    snapshot.ConceptView,
    name=TEXT,
    quality=st.none() | QUALITY,
    verdict=st.none() | VERDICT,
    reason=TEXT,
    evidence=st.none() | CONCEPT_EVIDENCE,
    evidence_verdict=st.none()
    | st.builds(ConceptVerdict, finding=st.sampled_from(Finding), rival=st.none() | TEXT, reasons=st.lists(TEXT)),
)
CHANGE = st.builds(
    Change, path=TEXT, kind=st.sampled_from(["added", "edited", "removed", "moved"]), old=st.none() | TEXT
)
PROBLEM = st.builds(
    Problem, path=TEXT, severity=st.sampled_from(["warning", "error"]), code=st.just("empty"), message=TEXT
)
MOVED = st.builds(
    snapshot.Moved,
    revision=COUNT,
    renamed=st.lists(
        st.builds(snapshot.Renamed, kind=st.sampled_from(["concept", "scenario"]), old=TEXT, new=TEXT), max_size=2
    ),
    ended=st.lists(st.builds(snapshot.Ended, concept=TEXT, n_deleted=COUNT, n_moved=COUNT), max_size=2),
    cause=st.sampled_from(get_args(snapshot.Cause)),
    changes=st.lists(CHANGE, max_size=2),
    cost=COST,
    seconds=NUMBER,
    stages=st.builds(
        snapshot.Stages, scanning=NUMBER, waiting=NUMBER, forward=NUMBER, statistics=NUMBER, showing=NUMBER
    ),
    concepts=st.lists(
        st.builds(
            snapshot.ConceptMove, concept=TEXT, affected=st.booleans(), bucket=WORDS, first_pc=PAIR, nearest=PAIR,
            r_squared=PAIR,
        ),
        max_size=2,
    ),
    stories=st.lists(st.builds(
            snapshot.StoryMove, path=TEXT, misfit=PAIR, own_share=PAIR, strength=st.tuples(STRENGTH, STRENGTH)
        ), max_size=2),
    queue=st.tuples(COUNT, COUNT),
)  # fmt: skip
DOING = st.builds(
    snapshot.Doing,
    state=st.sampled_from(get_args(snapshot.CorpusState)),
    detail=TEXT,
    live=st.booleans(),
    done=COUNT,
    rate=NUMBER,
    left=st.none() | NUMBER,
    waiting=COUNT,
    note=TEXT,
)
SETTINGS = st.builds(Settings, model=TEXT, max_length=st.integers(3, 9999), redundant_r2=st.floats(-1, 1))
PARTS = {
    "layers": st.lists(COUNT, max_size=3),
    "stories": st.lists(STORY, max_size=2),
    "concepts": st.lists(CONCEPT, max_size=2),
    "problems": st.lists(PROBLEM, max_size=2),
    "moved": st.none() | MOVED,
}
READING = st.builds(Reading, start=COUNT, end=COUNT, values=st.lists(NUMBER, max_size=3))
SPANS = st.lists(st.tuples(COUNT, COUNT), max_size=2)
PROSE = st.builds(
    Prose,
    n_others=COUNT,
    differences=st.lists(
        st.builds(Difference, feature=TEXT, is_word=st.booleans(), amount=NUMBER, usual=st.tuples(NUMBER, NUMBER)),
        max_size=2,
    ),
    narrator=st.none() | st.builds(OtherNarrator, person=st.none() | TEXT, usual=TEXT, n_usual=COUNT),
    copies=st.lists(
        st.builds(
            CopyOf, text_id=TEXT, concept=st.none() | TEXT, scenario=st.none() | TEXT, share=NUMBER, passages=SPANS
        ),
        max_size=1,
    ),
    giveaways=SPANS,
)
EFFECT = st.builds(SentenceEffect, own=NUMBER, rival=NUMBER, is_reread=st.booleans())
DRAFT = st.builds(
    Draft, concepts=st.lists(TEXT), tokens=st.lists(READING, max_size=2), sentences=st.lists(READING, max_size=2),
    truncated=st.booleans(), alignment=st.none() | NUMBER, own=st.none() | NUMBER, rival=st.none() | TEXT,
    rival_score=st.none() | NUMBER, margin=st.none() | NUMBER, before=st.none() | QUALITY, after=st.none() | QUALITY,
    effects=st.none() | st.lists(EFFECT, max_size=2), prose=st.none() | PROSE,
)  # fmt: skip
STORY_EFFECT = st.builds(StoryEffect, text_id=TEXT, concept=TEXT, scenario=st.none() | TEXT, auroc=NUMBER, turn=NUMBER)
RESULTS = st.builds(
    Results, layers=st.lists(COUNT, min_size=1), hidden_size=COUNT, concepts=st.lists(QUALITY, max_size=1),
    fits=st.just([]), story_effects=st.lists(STORY_EFFECT, max_size=1),
    without_vector=st.dictionaries(TEXT, TEXT, max_size=1), truncated=st.lists(TEXT),
    max_tokens=COUNT, left_out=st.dictionaries(TEXT, TEXT, max_size=1),
)  # fmt: skip
FACTS = st.builds(Facts, model_hash=TEXT, tokenizer_hash=TEXT, kind=TEXT, pooling=TEXT, dtype=TEXT, directions=TEXT)
METRICS = st.builds(
    Metrics, bucket=st.none() | TEXT, n_stories=COUNT, first_pc=st.none() | NUMBER, nearest=st.none() | TEXT,
    nearest_cosine=st.none() | NUMBER, r_squared=st.none() | NUMBER,
)  # fmt: skip
REVISION = st.builds(
    Revision, number=COUNT, when=NUMBER, cause=TEXT, settings=TEXT, changes=st.lists(CHANGE, max_size=2),
    texts_run=COUNT, seconds=NUMBER,
)  # fmt: skip
CORPUS_STATUS = st.builds(
    CorpusStatus, corpus=TEXT, revision=COUNT, stories=COUNT, concepts=COUNT, clients=COUNT, model=TEXT,
    doing=DOING,
)  # fmt: skip
MODEL_STATUS = st.builds(
    ModelStatus, model=TEXT, device=TEXT, state=st.just("idle"), pid=st.none() | COUNT, bytes=COUNT,
    restarts=COUNT,
)  # fmt: skip
REQUESTS = {
    protocol.Open: st.builds(
        protocol.Open, id=COUNT, corpus=TEXT, settings=st.none() | SETTINGS, insist=st.booleans()
    ),
    protocol.Retrain: st.builds(
        protocol.Retrain, id=COUNT, corpus=TEXT, concepts=st.lists(TEXT), paths=st.lists(TEXT)
    ),
    protocol.Cancel: st.builds(protocol.Cancel, id=COUNT, corpus=TEXT),
    protocol.Showing: st.builds(protocol.Showing, id=COUNT, corpus=TEXT, path=st.none() | TEXT),
    protocol.Score: st.builds(
        protocol.Score, id=COUNT, corpus=TEXT, path=TEXT, text=TEXT, concepts=st.lists(TEXT, max_size=3),
        explain=st.booleans(),
    ),
    protocol.Export: st.builds(
        protocol.Export, id=COUNT, settings=SETTINGS, stories=st.none() | TEXT, paired=st.none() | TEXT,
        root=st.none() | TEXT,
    ),
    protocol.GetRevisions: st.builds(
        protocol.GetRevisions, id=COUNT, corpus=TEXT, limit=st.integers(1, 1000), before=st.none() | COUNT
    ),
    protocol.Compare: st.builds(protocol.Compare, id=COUNT, corpus=TEXT, before=COUNT, after=COUNT),
    protocol.GetText: st.builds(protocol.GetText, id=COUNT, corpus=TEXT, revision=COUNT, path=TEXT),
    protocol.SetLive: st.builds(protocol.SetLive, id=COUNT, corpus=TEXT, live=st.booleans()),
    protocol.Close: st.builds(protocol.Close, id=COUNT, corpus=TEXT),
    protocol.GetStatus: st.builds(protocol.GetStatus, id=COUNT),
    protocol.Stop: st.builds(protocol.Stop, id=COUNT),
}  # fmt: skip
ANSWERS = {
    protocol.Welcome: st.builds(protocol.Welcome, protocol=COUNT, version=TEXT, pid=COUNT),
    protocol.Refused: st.builds(protocol.Refused, message=TEXT),
    protocol.Opened: st.builds(protocol.Opened, id=COUNT, corpus=TEXT),
    protocol.Conflict: st.builds(
        protocol.Conflict, id=COUNT, corpus=TEXT,
        differences=st.dictionaries(TEXT, st.tuples(TEXT, TEXT), max_size=2),
    ),
    protocol.Status: st.builds(
        protocol.Status, id=COUNT, version=TEXT, pid=COUNT, uptime=NUMBER, socket=TEXT, log=TEXT, clients=COUNT,
        corpora=st.lists(CORPUS_STATUS, max_size=2), models=st.lists(MODEL_STATUS, max_size=2),
    ),
    protocol.Scored: st.builds(
        protocol.Scored, id=COUNT, revision=COUNT, draft=DRAFT, verdicts=st.tuples(st.none() | VERDICT, st.none())
    ),
    protocol.Superseded: st.builds(protocol.Superseded, id=COUNT),
    protocol.Exporting: st.builds(protocol.Exporting, id=COUNT, done=COUNT, total=COUNT),
    protocol.Exported: st.builds(
        protocol.Exported, id=COUNT, digest=TEXT, vectors=TEXT, norms=st.dictionaries(COUNT, st.lists(NUMBER)),
        results=RESULTS, facts=FACTS, cost=COST,
    ),
    protocol.Revisions: st.builds(protocol.Revisions, id=COUNT, revisions=st.lists(REVISION, max_size=2)),
    protocol.Compared: st.builds(
        protocol.Compared, id=COUNT,
        comparison=st.builds(
            Comparison, before=COUNT, after=COUNT, changes=st.lists(CHANGE, max_size=2),
            metrics=st.dictionaries(TEXT, st.tuples(st.none() | METRICS, st.none() | METRICS), max_size=2),
        ),
    ),
    protocol.EarlierText: st.builds(protocol.EarlierText, id=COUNT, text=st.none() | TEXT),
    protocol.Done: st.builds(protocol.Done, id=COUNT),
    protocol.Failure: st.builds(protocol.Failure, id=st.none() | COUNT, message=TEXT),
    protocol.Snapshot: st.builds(
        protocol.Snapshot, corpus=TEXT, revision=COUNT, settings=SETTINGS, doing=DOING, **PARTS
    ),
    protocol.Changed: st.builds(
        protocol.Changed, corpus=TEXT, base=COUNT, revision=COUNT, removed=st.lists(TEXT), **PARTS
    ),
    protocol.Progressed: st.builds(protocol.Progressed, corpus=TEXT, doing=DOING),
    protocol.Resync: st.builds(protocol.Resync),
    protocol.Closed: st.builds(protocol.Closed, corpus=TEXT, reason=TEXT),
}  # fmt: skip


def test_no_message_is_left_out() -> None:
    assert set(REQUESTS) == set(get_args(protocol.Request))
    assert set(ANSWERS) == set(get_args(protocol.FromServer))


@given(st.one_of(*REQUESTS.values()))
def test_request_survives_the_wire(message: protocol.Request) -> None:
    line = codec.encode(message)
    assert codec.decode_request(line) == message
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert codec.request_id(line) == message.id


@given(st.one_of(*ANSWERS.values()))
def test_answer_survives_the_wire(message: protocol.FromServer) -> None:
    line = codec.encode(message)
    assert codec.decode_from_server(line) == message
    assert line.count(b"\n") == 1
    assert json.loads(line)["type"] == type(message).__name__


def test_hello_survives_the_wire() -> None:
    hello = protocol.Hello(protocol=3, version="x")
    assert codec.decode_hello(codec.encode(hello)) == hello


@pytest.mark.parametrize("decode", [codec.decode_hello, codec.decode_request, codec.decode_from_server])
@given(line=st.binary(max_size=60) | st.text(max_size=40).map(str.encode) | st.just(b"[" * 100_000))
def test_garbage_is_a_protocol_error(decode: object, line: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a message"):
        decode(line)  # type: ignore[operator]


@given(line=st.binary(max_size=60))
def test_id_of_garbage_is_none(line: bytes) -> None:
    request_id = codec.request_id(line)
    assert request_id is None or isinstance(request_id, int)


def test_kinds_of_message_are_not_mixed_up() -> None:
    with pytest.raises(ProtocolError):
        codec.decode_request(codec.encode(protocol.Done(id=1)))
    with pytest.raises(ProtocolError):
        codec.decode_from_server(codec.encode(protocol.Stop(id=1)))


def test_settings_travel_whole() -> None:
    request = protocol.Open(id=1, corpus="/c", settings=Settings(model="m", pooling="mean", redundant_r2=0.5))
    assert msgspec.structs.asdict(codec.decode_request(codec.encode(request))) == msgspec.structs.asdict(request)
