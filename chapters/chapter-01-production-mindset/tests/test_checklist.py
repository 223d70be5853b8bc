"""A line of the checklist scores when its proofs held in this run, and never on trust alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.checklist import READINESS_ITEMS, Item, Proof, Row, score, with_proofs

HUNG = Proof("incident", "hung-api")
STORM = Proof("incident", "rate-limit-storm")
RETRY = Proof("test", "tests/test_retries.py::test_a_wait_never_undercuts_retry_after")
WORD = Proof("word", "A. Roe", date(2026, 11, 20))


def item(*proofs: Proof, key: str = "error-handling") -> Item:
    return Item(key, "Error handling", "Failures are told.", proofs)


def only_row(evidence: Mapping[str, bool], *proofs: Proof) -> Row:
    (row,) = score([item(*proofs)], evidence).rows
    return row


# The nine lines


def test_the_items_are_the_nine_of_the_book() -> None:
    assert [each.title for each in READINESS_ITEMS] == [
        "Error handling",
        "Structured logging and tracing",
        "Metrics and monitoring",
        "Security and input validation",
        "Cost tracking and budgets",
        "Testing",
        "Deployment automation",
        "Incident response",
        "Documentation and runbooks",
    ]


def test_each_item_asks_for_something_in_one_sentence_and_has_no_proof_yet() -> None:
    for each in READINESS_ITEMS:
        assert each.asks.endswith(".")
        assert each.asks.count(". ") == 0
        assert each.proofs == ()
    assert len({each.key for each in READINESS_ITEMS}) == 9


def test_a_checklist_without_proofs_scores_nothing() -> None:
    result = score(READINESS_ITEMS, {})
    assert (result.points, result.out_of, str(result)) == (0, 9, "0 of 9")
    assert [row.title for row in result.rows] == [each.title for each in READINESS_ITEMS]
    assert {(row.verdict, row.proof) for row in result.rows} == {("not proven", "none")}


# One proof


@pytest.mark.parametrize("proof", [HUNG, RETRY])
def test_a_proof_that_held_in_this_run_is_a_point(proof: Proof) -> None:
    row = only_row({proof.id: True}, proof)
    assert row == Row("Error handling", 1, "proven", f"{proof.id} (held)")
    assert row.proven is True


@pytest.mark.parametrize("proof", [HUNG, RETRY])
def test_a_proof_that_was_not_run_proves_nothing(proof: Proof) -> None:
    row = only_row({}, proof)
    assert row == Row("Error handling", 0, "not proven", f"{proof.id} (not run)")
    assert row.proven is False


@pytest.mark.parametrize("proof", [HUNG, RETRY, WORD])
def test_a_proof_that_failed_disproves(proof: Proof) -> None:
    row = only_row({proof.id: False}, proof)
    assert row == Row("Error handling", 0, "disproved", f"{proof.id} (failed)")
    assert row.proven is False


def test_a_persons_word_stands_by_name_and_date_and_is_told_as_such() -> None:
    row = only_row({}, WORD)
    assert row == Row("Error handling", 1, "proven", "word:A. Roe 2026-11-20 (word given)")


def test_a_word_that_was_checked_in_this_run_held() -> None:
    assert only_row({WORD.id: True}, WORD).proof == "word:A. Roe 2026-11-20 (held)"


def test_evidence_that_no_item_names_counts_for_nothing() -> None:
    assert only_row({STORM.id: True, "incident:other": False}, HUNG).verdict == "not proven"


def test_an_incident_is_no_evidence_for_a_test_of_the_same_name() -> None:
    assert only_row({"incident:make chaos": True}, Proof("test", "make chaos")).points == 0


# Several proofs


def test_all_proofs_of_an_item_must_hold() -> None:
    held = {HUNG.id: True, RETRY.id: True}
    row = only_row(held, HUNG, RETRY, WORD)
    assert row.points == 1
    assert row.proof == f"{HUNG.id} (held); {RETRY.id} (held); {WORD.id} (word given)"
    assert only_row({HUNG.id: True}, HUNG, RETRY, WORD).verdict == "not proven"


def test_one_failure_outweighs_what_was_not_run() -> None:
    assert only_row({RETRY.id: False}, HUNG, RETRY, WORD).verdict == "disproved"


def test_several_proofs_are_one_point() -> None:
    result = score(
        [item(HUNG, STORM), item(key="b"), item(WORD, key="c"), item(RETRY, key="d")],
        {HUNG.id: True, STORM.id: True, RETRY.id: False},
    )
    assert [row.points for row in result.rows] == [1, 0, 1, 0]
    assert (result.points, result.out_of, str(result)) == (2, 4, "2 of 4")


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([HUNG, STORM, RETRY, WORD]), st.booleans()), max_size=4),
        max_size=9,
    ),
    st.dictionaries(st.sampled_from([HUNG.id, STORM.id, RETRY.id, WORD.id]), st.booleans()),
)
def test_points_are_the_items_whose_every_proof_held(
    picks: list[list[tuple[Proof, bool]]], evidence: dict[str, bool]
) -> None:
    items = [
        item(*[proof for proof, _ in proofs], key=str(number))
        for number, proofs in enumerate(picks)
    ]
    result = score(items, evidence)
    stands = {WORD.id: True} | evidence
    expected = [
        bool(each.proofs) and all(stands.get(proof.id) for proof in each.proofs) for each in items
    ]
    assert [row.proven for row in result.rows] == expected
    assert result.points == sum(expected)
    for each, row in zip(items, result.rows, strict=True):
        failed = any(stands.get(proof.id) is False for proof in each.proofs)
        assert (row.verdict == "disproved") is failed


# What is refused


@pytest.mark.parametrize("outcome", ["failed", 1, 0, None])
def test_an_outcome_that_is_not_a_bool_is_refused(outcome: Any) -> None:
    with pytest.raises(
        ValueError,
        match=rf"^evidence for incident:hung-api must be True or False, not {outcome!r}$",
    ):
        score([item(HUNG)], {HUNG.id: outcome})


def test_an_item_listed_twice_would_count_twice() -> None:
    with pytest.raises(ValueError, match=r"^items listed twice: a, b$"):
        score([item(key=key) for key in ("b", "a", "c", "a", "b")], {})


@pytest.mark.parametrize("kind", ["incident", "test", "word"])
@pytest.mark.parametrize("name", ["", "  "])
def test_a_proof_has_a_name(kind: Any, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^name is blank: say which {kind}, or whose$"):
        Proof(kind, name, date(2026, 11, 20))


@pytest.mark.parametrize("on", [None, "2026-11-20"])
def test_a_persons_word_has_a_date(on: Any) -> None:
    with pytest.raises(ValueError, match=rf"^on must be the date of a word, .*, not {on!r}$"):
        Proof("word", "A. Roe", on)


@pytest.mark.parametrize("kind", ["incident", "test"])
def test_only_a_word_has_a_date(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"^on must be the date of a word, and only of a word, "):
        Proof(kind, "hung-api", date(2026, 11, 20))


def test_a_proof_is_of_a_known_kind() -> None:
    kind: Any = "feeling"
    with pytest.raises(ValueError, match=r"^kind must be incident, test or word, not 'feeling'$"):
        Proof(kind, "good")


# Data from elsewhere


def test_proofs_are_added_by_key() -> None:
    items = with_proofs({"error-handling": [HUNG, RETRY], "incident-response": [WORD]})
    assert [(each.key, each.proofs) for each in items if each.proofs] == [
        ("error-handling", (HUNG, RETRY)),
        ("incident-response", (WORD,)),
    ]
    assert len(items) == 9
    assert str(score(items, {HUNG.id: True, RETRY.id: True})) == "2 of 9"


def test_later_proofs_join_the_earlier_ones() -> None:
    items = with_proofs({"testing": [RETRY]}, with_proofs({"testing": [HUNG]}))
    (testing,) = (each for each in items if each.key == "testing")
    assert testing.proofs == (HUNG, RETRY)


def test_a_proof_for_no_item_is_a_typo() -> None:
    with pytest.raises(ValueError, match=r"^proofs for no item: eror-handling, zeal$"):
        with_proofs({"zeal": [HUNG], "eror-handling": [HUNG], "testing": []})
