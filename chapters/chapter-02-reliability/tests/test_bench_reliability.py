"""The benchmark's verdict, from measurements that are given here."""

from collections.abc import Mapping

import pytest
from bench_reliability import BARE, LAYERS, MOST_SHARE, SDK_CALL, cost, report

RUN, ASK, USE = LAYERS
LINE = "all layers together: {} of one SDK call, to be under 10%: {}\n"


def one_round(share: float) -> Mapping[str, float]:
    """Three stacks that together add `share` of an SDK call to what the bare call takes."""
    layers = {RUN: 1 + share / 2, ASK: 1 + share / 4, USE: 1 + share / 4}
    return {BARE: 1.0, **layers, SDK_CALL: 1.0}


def test_the_cost_of_layers_leaves_out_what_the_bare_call_takes() -> None:
    found = {BARE: 1.0, RUN: 1.5, ASK: 2.0, SDK_CALL: 4.0}
    assert cost(found, RUN) == 0.125
    assert cost(found, RUN, ASK) == 0.375


@pytest.mark.parametrize(
    ("share", "said", "result", "status"),
    [(0.0625, "6.25%", "met", 0), (0.125, "12.50%", "MISSED", 1)],
)
def test_all_layers_together_must_stay_under_the_bound(
    capsys: pytest.CaptureFixture[str], share: float, said: str, result: str, status: int
) -> None:
    assert report([one_round(share)]) == status
    assert capsys.readouterr().out.endswith(LINE.format(said, result))


def test_the_bound_itself_is_too_much() -> None:
    found = {BARE: 1.0, RUN: 11.0, ASK: 1.0, USE: 1.0, SDK_CALL: 100.0}
    assert cost(found, *LAYERS) == MOST_SHARE
    assert report([found]) == 1


def test_a_round_that_was_disturbed_has_no_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([one_round(0.0625), one_round(0.5), one_round(0.03125)]) == 0
    assert capsys.readouterr().out.endswith(LINE.format("6.25%", "met"))
    assert report([one_round(0.5), one_round(0.0625), one_round(0.25)]) == 1
