"""The table of activations holds what was put, whatever came and went."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.compute.live.rows import Rows

OPERATIONS = st.lists(
    st.tuples(st.just("set"), st.integers(0, 99), st.integers(0, 999))
    | st.tuples(st.just("forget"), st.sets(st.integers(0, 99)), st.none()),
    max_size=40,
)


@given(OPERATIONS)
def test_rows_are_a_dictionary_of_tensors(operations: list[tuple[str, object, int | None]]) -> None:
    rows, model = Rows(2, 3, torch.device("cpu")), dict[str, float]()
    for action, what, value in operations:
        if action == "set":
            rows.set(str(what), torch.full((2, 3), float(value or 0)))
            model[str(what)] = float(value or 0)
        else:
            gone = {str(name) for name in what}  # type: ignore[attr-defined]
            rows.forget(gone)
            model = {name: value for name, value in model.items() if name not in gone}
    assert all((str(name) in rows) == (str(name) in model) for name in range(100))
    taken = rows.take(list(model))
    assert taken.shape == (2, len(model), 3)
    assert taken[0, :, 0].tolist() == list(model.values())


def test_more_rows_than_fit_at_first_keep_their_values() -> None:
    rows = Rows(1, 1, torch.device("cpu"))
    for i in range(1000):
        rows.set(str(i), torch.tensor([[float(i)]]))
    assert rows.take([str(i) for i in reversed(range(1000))]).flatten().tolist() == list(
        map(float, reversed(range(1000)))
    )


def test_text_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Rows(1, 1, torch.device("cpu")).take(["a"])
