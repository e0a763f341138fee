"""Whatever writers, clients and killed processes do, in whatever order: the numbers become those of what is on disk.

What goes through the model is counted in the worker itself: a journal, which outlives kills, has each text before and
after its activations are put into the store. A *window* is what happens between two moments at which the engine has
done all that was asked for. The rule:

- Every text that is in the numbers was run, in this engine or an earlier one.
- In a window nothing is run but what was on disk in it, and what was stored before is not run again, unless it is
  retrained. What is new is run once: if it is on disk at the end, exactly; if it was overwritten before, at most.
- A retrain, with nothing else in its window, runs exactly the texts that it names, each once.
- While changes are not followed, nothing is run but what is retrained.
- Revisions never tell of more texts run than there were. They tell of all, unless a process was killed (what it was at
  is not told), or a preparation in the background was given up for another plan or a cancel (the batch at hand is not).

A draft goes through the model once for each time it is scored, is not stored, and is not counted.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.compute.model.loaded import LoadedModel
from engine.service.hosting.plan import A_FEW
from engine.wire import protocol
from tests.engine.service.house import FREE, JOURNAL, SLOTS, TEXTS, House
from tests.engine.service.session import Session
from tests.places import ROOT, STARTUP

LONG = int(os.environ.get("AMYGDALA_STATEFUL_EXAMPLES", "0"))
"""Examples of a long run, drawn at random; 0 for the few that are always the same."""
EXAMPLES, STEPS = LONG or 6, 12


@pytest.fixture(scope="module")
def house(llama: LoadedModel) -> Iterator[House]:
    """One engine for the module, as long as it lives; each example has a corpus, and texts, of its own."""
    folder = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))
    (folder / "sitecustomize.py").write_text(JOURNAL + (STARTUP / "sitecustomize.py").read_text("utf-8"), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMYGDALA_CACHE", str(folder / "cache"))
        patch.setenv("AMYGDALA_TEST_JOURNAL", str(folder / "journal"))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))
        house = House(folder, llama)
        yield house
    code = house.engine.end()
    shutil.rmtree(folder)
    assert code == 0


slots, numbers = st.sampled_from(SLOTS), st.integers(-1, len(TEXTS) - 1)
WHATS = st.sampled_from(["story", "concept", "all"])
HOWS = st.sampled_from(["rename", "in place"])
WRITING = st.one_of(
    st.tuples(st.just("save"), slots, numbers, HOWS),
    st.tuples(st.just("save"), slots, numbers, HOWS),
    st.tuples(st.just("save_again"), slots, st.sampled_from(["rename", "in place", "touch", "space"])),
    st.tuples(st.just("rename"), st.sampled_from(FREE), slots),
    st.tuples(st.just("delete"), st.sampled_from(FREE)),
    st.tuples(st.just("race"), slots, st.lists(numbers, min_size=2, max_size=4)),
    st.tuples(st.just("burst"), st.integers(A_FEW + 1, 24)),
    st.tuples(st.just("undo_burst")),
)
ASKING = st.one_of(
    st.tuples(st.just("set_live"), st.booleans()),
    st.tuples(st.just("retrain"), WHATS, slots),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("score"), slots, numbers),
    st.tuples(st.just("show"), slots),
)
OTHER = st.one_of(
    st.tuples(st.just("check")),
    st.tuples(st.just("check_retrain"), WHATS, slots),
    st.tuples(st.just("kill_worker")),
    st.tuples(st.just("kill_engine")),
)
STEP: st.SearchStrategy[tuple[Any, ...]] = st.one_of(WRITING, WRITING, ASKING, OTHER)


async def carry_out(house: House, steps: list[tuple[Any, ...]]) -> None:
    """An example, from an empty corpus to the last check."""
    with tempfile.TemporaryDirectory(prefix="am", dir="/tmp") as folder:
        session = await Session.begin(house, Path(folder))
        try:
            for name, *arguments in steps:
                session.n_done += 1
                await getattr(session, name)(*arguments)
            await session.check_numbers()
            await session.talk.ask(protocol.Close)
        finally:
            await session.hang_up()


@pytest.mark.timeout(180 + 30 * LONG)
@settings(
    max_examples=EXAMPLES,
    derandomize=not LONG,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # an example takes seconds, so that a smaller one is not looked for
    suppress_health_check=list(HealthCheck),
)
@given(steps=st.lists(STEP, min_size=STEPS - 4, max_size=STEPS + 4))
def test_numbers_become_those_of_the_disk_and_no_text_is_run_twice(house: House, steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(carry_out(house, steps))
