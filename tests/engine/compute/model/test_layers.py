"""Which blocks a specification means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compute.model.layers import parse_layers, target_layers
from engine.errors import UsageError
from engine.settings import Settings


@pytest.mark.parametrize(
    ("spec", "blocks", "expected"),
    [
        ("1,2,4", 5, [1, 2, 4]),
        (" 4, 0 ", 5, [4, 0]),
        ("0%,100%", 5, [0, 4]),
        ("50%", 5, [2]),
        ("67%,50%", 32, [21, 16]),
        ("12.5%", 9, [1]),
        ("50%,58%,67%", 64, [32, 37, 42]),
        ("50%,58%,67%", 1, [0]),
        ("50%,51%", 5, [2]),
        ("2,50%", 5, [2]),
    ],
)
def test_layers_meant(spec: str, blocks: int, expected: list[int]) -> None:
    assert parse_layers(spec, blocks) == expected


@pytest.mark.parametrize(
    "spec",
    ["", "1,", "x", "1.5", "-1", "5", "101%", "-1%", "nan%", "inf%", "%", "2,2", "1;2", "0x1", "auto,1", "1,auto"],
)
def test_wrong_layers_are_refused_by_the_flags_name(spec: str) -> None:
    with pytest.raises(UsageError, match="--target-layers"):
        parse_layers(spec, 5)


def test_out_of_range_says_what_there_is() -> None:
    with pytest.raises(UsageError, match="blocks are 0 to 4"):
        parse_layers("7", 5)


@given(st.lists(st.integers(0, 100), min_size=1), st.integers(1, 200))
def test_percentages_never_leave_the_model(shares: list[int], blocks: int) -> None:
    layers = parse_layers(",".join(f"{share}%" for share in shares), blocks)
    assert len(set(layers)) == len(layers)
    assert all(0 <= layer < blocks for layer in layers)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), [1, 2, 3]),
        (Settings(model="other"), [32, 37, 42]),
        (Settings(target_layers="3,1"), [3, 1]),
        (Settings(target_layers="auto"), None),
        (Settings(model="other", target_layers="auto"), None),
    ],
)
def test_layers_that_settings_ask_for(settings: Settings, expected: list[int] | None) -> None:
    assert target_layers(settings, 64) == expected
