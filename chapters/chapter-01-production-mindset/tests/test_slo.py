"""Error budgets, burn rates and alerts come out at the figures that Google published.

Figures: "The Site Reliability Workbook", chapter 2 (tables 2-3 and 2-4) and chapter 5 (tables 5-1
to 5-8, and the sections "Low-Traffic Services" and "Extreme Availability Goals"); "Site Reliability
Engineering", appendix A (availability table). Each test names the place of its own.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.slo import (
    DAY_S,
    HOUR_S,
    SLA,
    SLI,
    SLO,
    WORKBOOK_ALERTS,
    BurnRateAlert,
    Number,
    exact,
    firing,
)

MINUTE_S = 60
THREE_NINES = SLO(0.999)  # over 30 days, the example of chapter 5
PAGE_FAST, PAGE_SLOW, TICKET = WORKBOOK_ALERTS
CALM: dict[int, Number | None] = {
    window: 0 for alert in WORKBOOK_ALERTS for window in (alert.long_s, alert.short_s)
}


# Numbers are read as they print


@pytest.mark.parametrize("number", [0.999, Decimal("0.999"), Fraction(999, 1000), "0.999"])
def test_a_target_means_the_same_however_it_is_written(number: Number) -> None:
    assert SLO(number).budget_ratio == Fraction(1, 1000)


def test_the_default_window_is_thirty_days() -> None:
    assert SLO(0.5).window_s == 30 * 24 * 60 * 60


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "many", "1/0"])
def test_what_is_no_finite_number_is_refused_by_name(value: Number) -> None:
    with pytest.raises(ValueError, match=r"^target must be a finite number, not "):
        SLO(value)
    with pytest.raises(ValueError, match=r"^window_s must be a finite number, not "):
        SLO(0.9, value)


# SLI


def test_an_sli_is_good_events_of_all_valid_ones() -> None:
    """Workbook, chapter 2: the four weeks behind table 2-3, published as 97.123 %."""
    sli = SLI(3_557_865, 3_663_253)
    assert sli.ratio == Fraction(3_557_865, 3_663_253)
    assert round(float(sli.ratio) * 100, 3) == 97.123
    assert sli.error_ratio == Fraction(105_388, 3_663_253)


def test_a_window_without_traffic_has_no_sli() -> None:
    assert SLI(0, 0).ratio is None
    assert SLI(0, 0).error_ratio is None


def test_all_bad_and_all_good_are_not_the_absence_of_traffic() -> None:
    assert SLI(0, 5).ratio == SLI(5, 5).error_ratio == 0
    assert SLI(5, 5).ratio == SLI(0, 5).error_ratio == 1


@pytest.mark.parametrize(("good", "valid"), [(-1, 5), (-2, -1), (0, -1), (6, 5), (1, 0)])
def test_negative_and_inconsistent_counts_are_refused(good: int, valid: int) -> None:
    with pytest.raises(ValueError, match=rf"^good and valid must be .* not {good} of {valid}$"):
        SLI(good, valid)


@pytest.mark.parametrize(("good", "valid"), [(1.0, 5), (1, 5.0), (True, 5), (0, True), ("1", 2)])
def test_counts_are_whole_numbers(good: int, valid: int) -> None:
    with pytest.raises(ValueError, match=r"^good and valid must be whole, with 0 <= good <= valid"):
        SLI(good, valid)


# SLO and SLA


@pytest.mark.parametrize("target", [1, 1.0, Decimal(1), 1.5, 99.9, "100"])
def test_a_perfect_objective_is_refused_because_it_leaves_no_budget(target: Number) -> None:
    with pytest.raises(ValueError, match=r"^target must be above 0 and below 1 .*no error budget"):
        SLO(target)


@pytest.mark.parametrize("target", [0, 0.0, -0.1, Decimal(-5)])
def test_an_objective_of_nothing_is_refused(target: Number) -> None:
    with pytest.raises(ValueError, match=r"^target must be above 0 and below 1 .*, not "):
        SLO(target)


@pytest.mark.parametrize("window_s", [0, -1, -0.5])
def test_a_window_has_a_length(window_s: Number) -> None:
    with pytest.raises(ValueError, match=rf"^window_s must be > 0, not {window_s}$"):
        SLO(0.9, window_s)


def test_an_sla_is_broken_below_its_target_and_not_at_it() -> None:
    sla = SLA(0.99, "10 % of the monthly fee", THREE_NINES)
    assert sla.broken_by(SLI(98_999, 100_000)) is True
    assert sla.broken_by(SLI(99_000, 100_000)) is False
    assert sla.broken_by(SLI(0, 0)) is None


@pytest.mark.parametrize("target", [0.999, 0.9999])
def test_an_sla_leaves_a_gap_below_the_slo(target: float) -> None:
    """SRE book, chapter 4: the tighter objective is the internal one."""
    with pytest.raises(ValueError, match=rf"^target must be below the SLO's 0.999, not {target}$"):
        SLA(target, "refund", THREE_NINES)


def test_an_sla_needs_a_consequence() -> None:
    """SRE book, chapter 4: what tells an SLA from an SLO is that a consequence is written down."""
    with pytest.raises(ValueError, match=r"^consequence is blank: .* is no SLA$"):
        SLA(0.9, "  ", THREE_NINES)


@pytest.mark.parametrize("target", [0, -1, 1])
def test_an_sla_has_the_range_of_an_slo(target: int) -> None:
    with pytest.raises(ValueError, match=r"^target must be above 0 and below 1"):
        SLA(target, "refund", THREE_NINES)


# The error budget


@pytest.mark.parametrize(
    ("target", "days", "minutes"),
    [
        ("0.9", 30, "4320"),  # 3 days
        ("0.99", 30, "432"),  # 7.2 hours
        ("0.995", 7, "50.4"),
        ("0.999", 30, "43.2"),
        ("0.999", 90, "129.6"),  # 2.16 hours
        ("0.999", 1, "1.44"),
        ("0.9995", 30, "21.6"),
        ("0.9999", 90, "12.96"),
        ("0.9999", 30, "4.32"),
        ("0.99999", 30, "0.432"),  # 25.9 seconds
    ],
)
def test_the_budget_in_minutes_is_the_availability_table(
    target: str, days: int, minutes: str
) -> None:
    """SRE book, appendix A; its month is 30 days, its quarter 90."""
    assert SLO(float(target), days * DAY_S).budget_minutes == Fraction(minutes)


@pytest.mark.parametrize(("target", "failures"), [(0.97, 109_897), (0.9, 366_325), (0.99, 36_632)])
def test_allowed_failures_are_those_of_table_2_4(target: float, failures: int) -> None:
    """Workbook, table 2-4, for the 3,663,253 requests of four weeks."""
    budget = SLO(target, 28 * DAY_S).error_budget(SLI(3_663_253, 3_663_253))
    assert math.floor(budget.allowed) == failures
    assert budget.left == budget.allowed
    assert budget.spent == budget.spent_share == 0


def test_half_the_budget_is_half_the_budget() -> None:
    """Workbook, chapter 2: 1,500 errors of the 3,000 that three million requests may have."""
    budget = SLO(0.999, 28 * DAY_S).error_budget(SLI(3_000_000 - 1_500, 3_000_000))
    assert budget.allowed == 3_000
    assert budget.spent == budget.left == 1_500
    assert budget.spent_share == Fraction(1, 2)


def test_an_overspent_budget_is_below_zero() -> None:
    budget = THREE_NINES.error_budget(SLI(998_000, 1_000_000))
    assert budget.allowed == 1_000
    assert budget.spent == 2_000
    assert budget.left == -1_000
    assert budget.spent_share == 2


def test_without_traffic_there_is_nothing_to_spend_and_no_share() -> None:
    budget = THREE_NINES.error_budget(SLI(0, 0))
    assert budget.allowed == budget.spent == budget.left == 0
    assert budget.spent_share is None


def test_ten_requests_an_hour_allow_seven_failures_a_month() -> None:
    """Workbook, chapter 5, "Low-Traffic Services": one failure is 13.9 % of the budget."""
    requests = 10 * 24 * 30
    budget = THREE_NINES.error_budget(SLI(requests - 1, requests))
    assert math.floor(budget.allowed) == 7
    assert budget.spent_share is not None
    assert round(float(budget.spent_share), 3) == 0.139


# Burn rate


@pytest.mark.parametrize(
    ("error_ratio", "rate", "exhausted_s"),
    [
        (0.001, 1, 30 * DAY_S),
        (0.002, 2, 15 * DAY_S),
        (0.01, 10, 3 * DAY_S),
        (1, 1000, 2_592),  # published as 43 minutes
    ],
)
def test_burn_rates_exhaust_the_budget_as_in_table_5_4(
    error_ratio: float, rate: int, exhausted_s: int
) -> None:
    assert THREE_NINES.burn_rate(error_ratio) == rate
    assert THREE_NINES.time_to_exhaustion_s(rate) == exhausted_s


def test_a_rate_just_too_slow_for_an_alert_takes_the_month_in_twenty_hours() -> None:
    """Workbook, table 5-5: a burn rate of 35, published as 20.5 hours."""
    exhausted_s = THREE_NINES.time_to_exhaustion_s(35)
    assert exhausted_s is not None
    assert math.floor(exhausted_s / HOUR_S * 10) == 205


def test_five_nines_last_26_seconds_of_an_outage_and_43_minutes_of_a_canary() -> None:
    """Workbook, chapter 5, "Extreme Availability Goals": 100 % and 1 % of users."""
    slo = SLO(0.99999)
    assert slo.time_to_exhaustion_s(slo.burn_rate(1)) == Fraction("25.92")
    assert slo.time_to_exhaustion_s(slo.burn_rate(0.01)) == Fraction("43.2") * MINUTE_S


def test_there_is_no_burn_rate_without_traffic() -> None:
    assert THREE_NINES.burn_rate(None) is None
    assert THREE_NINES.burn_rate(SLI(0, 0).error_ratio) is None
    assert THREE_NINES.burn_rate(0) == 0


@pytest.mark.parametrize("error_ratio", [-0.001, 1.001])
def test_an_error_ratio_is_between_0_and_1(error_ratio: float) -> None:
    with pytest.raises(ValueError, match=rf"^error_ratio must be 0 to 1, not {error_ratio}$"):
        THREE_NINES.burn_rate(error_ratio)
    with pytest.raises(ValueError, match=rf"^error_ratio must be 0 to 1, not {error_ratio}$"):
        THREE_NINES.detection_s(error_ratio, HOUR_S, 1)


def test_a_budget_is_never_exhausted_at_rate_0_or_without_traffic() -> None:
    assert THREE_NINES.time_to_exhaustion_s(0) is None
    assert THREE_NINES.time_to_exhaustion_s(None) is None


def test_the_rest_of_a_budget_lasts_its_share_of_the_time() -> None:
    assert THREE_NINES.time_to_exhaustion_s(2, 0.25) == 15 * DAY_S * Fraction(1, 4)
    assert THREE_NINES.time_to_exhaustion_s(Fraction(1, 2)) == 60 * DAY_S


@pytest.mark.parametrize("left_share", [0, -0.5])
@pytest.mark.parametrize("rate", [None, 0, 3])
def test_a_budget_that_is_gone_is_exhausted_now(rate: int | None, left_share: float) -> None:
    assert THREE_NINES.time_to_exhaustion_s(rate, left_share) == 0


def test_a_share_or_rate_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^rate must be >= 0, not -1$"):
        THREE_NINES.time_to_exhaustion_s(-1)
    with pytest.raises(ValueError, match=r"^left_share must be a finite number, not nan$"):
        THREE_NINES.time_to_exhaustion_s(1, math.nan)


@pytest.mark.parametrize(
    ("rate", "window_s", "share"),
    [
        ("14.4", HOUR_S, "0.02"),  # table 5-6
        (6, 6 * HOUR_S, "0.05"),  # table 5-6
        (1, 3 * DAY_S, "0.1"),  # table 5-6
        (36, HOUR_S, "0.05"),  # section "Alert on Burn Rate"
        (1, 36 * HOUR_S, "0.05"),  # section "Increased Alert Window"
        (0, HOUR_S, "0"),
    ],
)
def test_a_burn_rate_takes_its_published_share_of_the_budget(
    rate: Number, window_s: int, share: str
) -> None:
    assert THREE_NINES.budget_consumed(rate, window_s) == Fraction(share)


def test_an_hour_of_outage_takes_140_percent_of_the_month() -> None:
    """Workbook, table 5-3 (139 %), and for 90 % "Extreme Availability Goals" (1.4 %)."""
    for target, percent in ((0.999, 138.9), (0.9, 1.4)):
        slo = SLO(target)
        rate = slo.burn_rate(1)
        assert rate is not None
        assert round(float(slo.budget_consumed(rate, HOUR_S)) * 100, 1) == percent


def test_consumption_needs_a_rate_and_a_window() -> None:
    with pytest.raises(ValueError, match=r"^rate must be >= 0, not -1$"):
        THREE_NINES.budget_consumed(-1, HOUR_S)
    with pytest.raises(ValueError, match=r"^window_s must be > 0, not 0$"):
        THREE_NINES.budget_consumed(1, 0)


# Alerts


def test_the_default_alerts_are_those_of_table_5_8() -> None:
    rows = [(a.severity, a.long_s, a.short_s, exact("rate", a.rate)) for a in WORKBOOK_ALERTS]
    assert rows == [
        ("page", HOUR_S, 5 * MINUTE_S, Fraction("14.4")),
        ("page", 6 * HOUR_S, 30 * MINUTE_S, 6),
        ("ticket", 3 * DAY_S, 6 * HOUR_S, 1),
    ]
    assert all(alert.long_s == 12 * alert.short_s for alert in WORKBOOK_ALERTS)


def test_a_calm_service_calls_nobody() -> None:
    assert firing(THREE_NINES, CALM) == ()


def test_a_total_outage_fires_every_alert_most_urgent_first() -> None:
    """Workbook, table 5-7: all conditions are true at once, so only the first is worth sending."""
    assert firing(THREE_NINES, dict.fromkeys(CALM, 1)) == (PAGE_FAST, PAGE_SLOW, TICKET)


@pytest.mark.parametrize("alert", WORKBOOK_ALERTS)
def test_an_alert_fires_above_its_rate_in_both_windows_and_not_at_it(alert: BurnRateAlert) -> None:
    at = exact("rate", alert.rate) * THREE_NINES.budget_ratio
    above = at + Fraction(1, 10**9)
    for long, short, fires in ((above, above, True), (at, above, False), (above, at, False)):
        ratios = CALM | {alert.long_s: long, alert.short_s: short}
        assert (alert in firing(THREE_NINES, ratios, [alert])) is fires


def test_an_incident_that_is_over_does_not_fire_and_neither_does_one_that_just_began() -> None:
    assert firing(THREE_NINES, CALM | {PAGE_FAST.long_s: 0.15}) == ()
    assert firing(THREE_NINES, CALM | {PAGE_FAST.short_s: 0.15}) == ()


def test_a_slow_burn_is_a_ticket_and_not_a_page() -> None:
    ratios = CALM | {TICKET.long_s: 0.002, TICKET.short_s: 0.002}
    assert firing(THREE_NINES, ratios) == (TICKET,)


def test_a_window_without_traffic_fires_nothing() -> None:
    everything_fails: dict[int, Number | None] = dict.fromkeys(CALM, 1)
    assert firing(THREE_NINES, everything_fails | {PAGE_FAST.short_s: None}) == (PAGE_SLOW, TICKET)
    assert firing(THREE_NINES, everything_fails | {PAGE_FAST.long_s: None}) == (PAGE_SLOW, TICKET)
    assert firing(THREE_NINES, dict.fromkeys(CALM, None)) == ()


def test_an_alert_below_the_allowed_rate_is_quiet_without_traffic_and_without_errors() -> None:
    sensitive = BurnRateAlert("ticket", 0.5, HOUR_S, 5 * MINUTE_S)
    for ratio in (None, 0):
        ratios: dict[int, Number | None] = {HOUR_S: ratio, 5 * MINUTE_S: ratio}
        assert firing(THREE_NINES, ratios, [sensitive]) == ()


def test_six_hours_serve_a_page_and_a_ticket() -> None:
    ratios = CALM | {6 * HOUR_S: 0.02, 30 * MINUTE_S: 0.02, 3 * DAY_S: 0.0011}
    assert firing(THREE_NINES, ratios) == (PAGE_SLOW, TICKET)


def test_a_forgotten_window_is_not_taken_for_one_without_traffic() -> None:
    ratios = {window: 1 for window in CALM if window not in (HOUR_S, 5 * MINUTE_S)}
    with pytest.raises(ValueError, match=r"^error_ratios lacks the windows \[300, 3600\]"):
        firing(THREE_NINES, ratios)
    assert firing(THREE_NINES, ratios, [TICKET]) == (TICKET,)


def test_the_threshold_follows_the_objective() -> None:
    ratios: dict[int, Number | None] = dict.fromkeys(CALM, 0.05)
    assert firing(SLO(0.99), ratios) == (TICKET,)
    assert firing(SLO(0.997), ratios) == (PAGE_FAST, PAGE_SLOW, TICKET)


@pytest.mark.parametrize(
    ("rate", "long_s", "short_s", "message"),
    [
        (0, 60, 5, "rate must be > 0, not 0"),
        (1, 60, 0, "short_s must be > 0, not 0"),
        (1, 60, 60, r"short_s \(60\) must be below long_s \(60\)"),
        (1, math.nan, 60, "long_s must be a finite number, not nan"),
    ],
)
def test_an_alert_of_ones_own_is_checked(
    rate: Number, long_s: int, short_s: int, message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        BurnRateAlert("page", rate, long_s, short_s)


# How soon an alert fires, and how soon it is quiet again


@pytest.mark.parametrize(
    ("window_s", "rate", "detected_s"),
    [
        (10 * MINUTE_S, 1, "0.6"),  # table 5-1
        (36 * HOUR_S, 1, "129.6"),  # table 5-2: 2 minutes and 10 seconds
        (HOUR_S, 36, "129.6"),  # section "Alert on Burn Rate", by its formula
    ],
)
def test_a_total_outage_is_detected_as_soon_as_published(
    window_s: int, rate: int, detected_s: str
) -> None:
    assert THREE_NINES.detection_s(1, window_s, rate) == Fraction(detected_s)


def test_fifteen_percent_errors_exceed_an_hour_after_five_minutes() -> None:
    """Workbook, figure 5-6: an hour and five minutes at 14.4, which the short window exceeds first.

    The published five minutes are whole ones: the formula gives 5.76.
    """
    assert THREE_NINES.detection_s(0.15, HOUR_S, 14.4) == Fraction("5.76") * MINUTE_S
    assert THREE_NINES.detection_s(0.15, 5 * MINUTE_S, 14.4) == Fraction("28.8")


def test_some_errors_are_never_detected() -> None:
    """Workbook, table 5-5 (35 with an alert at 36) and "Extreme Availability Goals" (90 %)."""
    assert THREE_NINES.detection_s(0.035, HOUR_S, 36) is None
    assert THREE_NINES.detection_s(0.036, HOUR_S, 36) is None
    assert THREE_NINES.detection_s(0.0361, HOUR_S, 36) is not None
    assert SLO(0.9).detection_s(1, HOUR_S, 14.4) is None
    assert THREE_NINES.detection_s(0, HOUR_S, 36) is None


def test_one_window_stays_loud_for_most_of_its_length() -> None:
    """Workbook, table 5-5: 58 minutes for an hour at 36; table 5-2: 36 hours for 36 hours at 1."""
    reset_s = THREE_NINES.reset_s(1, HOUR_S, 36)
    assert reset_s == HOUR_S - Fraction("129.6")
    assert round(reset_s / MINUTE_S) == 58
    long_s = THREE_NINES.reset_s(1, 36 * HOUR_S, 1)
    assert long_s is not None
    assert round(long_s / HOUR_S) == 36


def test_the_short_window_makes_the_alert_quiet_within_five_minutes() -> None:
    """Workbook, chapter 5, section 6: five minutes instead of an hour."""
    reset_s = THREE_NINES.reset_s(0.15, 5 * MINUTE_S, 14.4)
    assert reset_s == 300 - Fraction("28.8")
    assert round(reset_s / MINUTE_S) == 5


def test_what_never_fired_has_no_reset() -> None:
    assert THREE_NINES.reset_s(0.036, HOUR_S, 36) is None


def test_windows_and_rates_of_detection_are_above_zero() -> None:
    with pytest.raises(ValueError, match=r"^window_s must be > 0, not 0$"):
        THREE_NINES.detection_s(1, 0, 36)
    with pytest.raises(ValueError, match=r"^rate must be > 0, not 0$"):
        THREE_NINES.reset_s(1, HOUR_S, 0)


@given(
    target=st.fractions("1/2", "9999/10000", max_denominator=10_000).filter(lambda t: t < 1),
    start=st.integers(0, 59),
    length=st.integers(1, 120),
    rate=st.sampled_from([1, 6, Fraction("14.4")]),
)
def test_a_minute_by_minute_replay_detects_and_resets_when_the_formulas_say(
    target: Fraction, start: int, length: int, rate: Fraction
) -> None:
    """One request a minute, all of them failing for `length` minutes; the window is an hour."""
    slo = SLO(target)
    failing = [0] * (60 + start) + [1] * length + [0] * 61
    above = [
        rate * slo.budget_ratio < Fraction(sum(failing[now - 59 : now + 1]), 60)
        for now in range(60, len(failing))
    ]
    detection_s = slo.detection_s(1, HOUR_S, rate)
    if detection_s is None or detection_s >= length * MINUTE_S:
        assert True not in above
    else:
        reset_s = slo.reset_s(1, HOUR_S, rate)
        assert reset_s is not None
        # The replay sees whole minutes only: the first one that ends after the exact moment.
        assert above.index(True) + 1 - start == math.floor(detection_s / MINUTE_S) + 1
        assert above[::-1].index(True) == 61 - math.ceil(reset_s / MINUTE_S) + 1


@given(
    good=st.integers(0, 10**9),
    bad=st.integers(0, 10**9),
    target=st.fractions(0, 1, max_denominator=10**6).filter(lambda t: 0 < t < 1),
)
def test_the_burn_rate_of_a_whole_window_is_the_share_of_budget_spent(
    good: int, bad: int, target: Fraction
) -> None:
    slo, sli = SLO(target), SLI(good, good + bad)
    budget = slo.error_budget(sli)
    assert slo.burn_rate(sli.error_ratio) == budget.spent_share
    assert budget.left + budget.spent == budget.allowed
