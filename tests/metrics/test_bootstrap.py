"""Intervals against a plain loop over the same resamples; pairing; and the time they take."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from asd.metrics.bootstrap import (
    Interval,
    _by_bound,
    compare,
    interval,
    resample,
    resample_counts,
)
from asd.metrics.official import evaluate
from asd.metrics.rules import RULES, Section, System
from asd.metrics.summary import assess

Make = Callable[..., Section]
TOLERANCE = 1e-12
RESAMPLES = 25


def drawn(section: Section, counts: np.ndarray) -> Section:
    """Return a section whose clips occur as often as ``counts`` (N,) says."""
    index = np.repeat(np.arange(len(counts)), counts)
    return Section(
        section.machine,
        section.section,
        tuple(f"{place:06d}" for place in range(len(index))),
        section.labels[index],
        section.domains[index],
        section.scores[index],
    )


@pytest.mark.parametrize("year", RULES)
def test_scores_and_interval_equal_a_plain_loop(year: str, sections: list[Section]) -> None:
    rules = RULES[year]
    samples = resample(sections, rules, RESAMPLES, seed=5)
    counts = [resample_counts(section, RESAMPLES, 5) for section in sections]
    slow = [
        evaluate([drawn(s, c[turn]) for s, c in zip(sections, counts, strict=True)], rules)
        for turn in range(RESAMPLES)
    ]
    scores = sorted(result.score for result in slow)
    assert list(samples.plain) == list(slow[0].scores)
    for machine, found in samples.plain.items():
        expected = [result.scores[machine] for result in slow]
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    # The percentile by hand: linear between the ordered samples.
    ends = []
    for share in (0.025, 0.975):
        below = int(share * (RESAMPLES - 1))
        part = share * (RESAMPLES - 1) - below
        ends.append(scores[below] + part * (scores[below + 1] - scores[below]))
    found = interval(samples.plain[""])
    assert [found.low, found.high] == pytest.approx(ends, abs=TOLERANCE)


def test_draws_keep_every_domain_and_label(sections: list[Section]) -> None:
    section = sections[0]
    counts = resample_counts(section, 50, seed=1)
    for domain in ("source", "target"):
        for label in (False, True):
            stratum = (section.domains == domain) & (section.labels == label)
            assert (counts[:, stratum].sum(axis=1) == stratum.sum()).all()
    assert (counts == 0).any()
    assert (counts > 1).any()


def test_draws_depend_on_seed_and_section_alone(make_section: Make) -> None:
    section, other = make_section(seed=1), make_section(seed=2)
    np.testing.assert_array_equal(resample_counts(section, 9, 0), resample_counts(other, 9, 0))
    renamed = make_section(section="01", seed=1)
    assert not np.array_equal(resample_counts(section, 9, 0), resample_counts(renamed, 9, 0))
    assert not np.array_equal(resample_counts(section, 9, 0), resample_counts(section, 9, 1))


def test_blocks_change_nothing(sections: list[Section], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resample(sections, RULES["2022"], RESAMPLES).plain
    monkeypatch.setattr("asd.metrics.bootstrap.BLOCK", 100)
    blocks = resample(sections, RULES["2022"], RESAMPLES).plain
    np.testing.assert_array_equal(blocks[""], whole[""])


@pytest.mark.parametrize("year", RULES)
def test_a_system_less_itself_is_exactly_nothing(year: str, sections: list[Section]) -> None:
    for difference in compare(sections, sections, RULES[year], RESAMPLES).values():
        ends = difference.interval
        assert (difference.value, ends.low, ends.high) == (0.0, 0.0, 0.0)


def test_the_difference_is_paired(sections: list[Section]) -> None:
    """A system that is better on every clip is so in nearly every resample of the same clips."""
    better = [replace(s, scores=s.scores + 0.2 * s.labels) for s in sections]
    rules = RULES["2022"]
    found = compare(better, sections, rules, 200)[""]
    points = [evaluate(system, rules).score for system in (better, sections)]
    assert found.value == points[0] - points[1] > 0
    assert found.interval.low > 0
    ends = [interval(resample(system, rules, 200).plain[""]) for system in (better, sections)]
    assert found.interval.high - found.interval.low < min(one.high - one.low for one in ends)
    reverse = compare(sections, better, rules, 200)[""]
    assert reverse.value == -found.value
    assert reverse.interval.low == pytest.approx(-found.interval.high, abs=TOLERANCE)


def test_other_clips_cannot_be_compared(sections: list[Section]) -> None:
    with pytest.raises(ValueError, match="same clips"):
        compare(sections, sections[1:], RULES["2022"], RESAMPLES)


def test_undefined_stays_undefined(make_section: Make) -> None:
    section = make_section(labels=[0] * 24)
    samples = resample([section], RULES["2022"], RESAMPLES).plain
    assert np.isnan(samples[""]).all()
    assert np.isnan([interval(samples[""]).low, samples["fan"][0]]).all()


@pytest.mark.parametrize(("right", "pairs"), [(2, 2), (5, 5), (3, 5), (0, 4), (1, 1), (19, 20)])
def test_bounds_are_those_of_clopper_and_pearson(right: int, pairs: int) -> None:
    uniform = (np.random.default_rng(0).permutation(100_000) + 0.5) / 100_000
    found = interval(_by_bound(right / pairs, pairs, uniform))
    exact = binomtest(right, pairs).proportion_ci(0.95, "exact")
    assert [found.low, found.high] == pytest.approx([exact.low, exact.high], abs=1e-3)


@pytest.mark.parametrize("clips", [4, 10, 100])
def test_a_perfect_order_of_few_clips_says_little(make_section: Make, clips: int) -> None:
    """The interval ends at 100, and begins the lower the fewer clips there are."""
    section = make_section(clips=clips, domains=[""] * clips)
    perfect = replace(section, scores=section.scores + 100 * section.labels)
    found = assess(System("1", (perfect,)), RULES["2020"], 1000).intervals
    exact = binomtest(clips // 2, clips // 2).proportion_ci(0.95, "exact").low
    # The mean of AUC and pAUC, of which the second is known of a tenth of the normal clips alone.
    assert found[""].low < (exact + 1) / 2
    assert found[""].high == 1.0
    assert found["fan"] == found[""]
    assert set(resample([perfect], RULES["2020"], 50).plain[""]) == {1.0}


def test_many_clips_that_are_mixed_keep_their_resamples(
    make_section: Make,
) -> None:
    section = make_section(clips=60, domains=[""] * 60)
    found = resample([section], RULES["2020"], RESAMPLES)
    np.testing.assert_array_equal(found.bounded[""], found.plain[""])


def test_an_interval_holds_its_value() -> None:
    assert interval(np.full(9, 0.5), 0.7) == Interval(0.5, 0.7)


WHOLE_DEV_SET = """
import sys
import numpy as np
from asd.metrics.bootstrap import interval, resample
from asd.metrics.rules import RULES
from asd.metrics.rules import Section

rng = np.random.default_rng(0)
labels = np.arange(200) % 2 == 1
domains = np.where(np.arange(200) < 100, "source", "target")
names = tuple(f"{place:04d}" for place in range(200))
sections = [
    Section(f"machine{m}", f"0{s}", names, labels, domains, rng.normal(size=200) + labels)
    for m in range(7) for s in range(3)
]
print(interval(resample(sections, RULES["2022"], 1000).plain[""]))
heavy = {"torch", "sklearn", "scipy", "pandas", "h5py", "pydantic"} & set(sys.modules)
assert not heavy, heavy
"""


def test_the_whole_dev_set_takes_under_two_seconds_and_imports_nothing_heavy() -> None:
    """4,200 clips, 1,000 resamples, with start-up; processor time, which a busy machine spares."""
    root = Path(__file__).resolve().parents[2]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", WHOLE_DEV_SET], cwd=root, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    assert used < 2.0
