"""All the figures of a system as JSON: complete, at full precision, and the same every time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from asd.metrics.bootstrap import compare, interval, resample
from asd.metrics.official import evaluate
from asd.metrics.rules import RULES
from asd.metrics.section import Section, System
from asd.metrics.summary import assess, comparison_json

RESAMPLES = 20


@pytest.mark.parametrize("year", RULES)
def test_json_holds_every_figure_at_full_precision(year: str, sections: list[Section]) -> None:
    rules = RULES[year]
    system = System("1", tuple(sections), ("valve section 03: no ground truth",), unusable=2)
    text = json.dumps(assess(system, rules, RESAMPLES, seed=3).to_json(), allow_nan=False)
    figures = json.loads(text)
    result = evaluate(sections, rules)
    assert figures["score"] == result.score
    for machine in result.machines:
        of_machine = figures["machines"][machine.machine]
        assert of_machine["score"] == machine.score
        for section in machine.sections:
            found = of_machine["sections"][section.section]
            assert {name: found[name] for name in section.values} == section.values
            assert (found["clips"], found["anomalies"]) == (24, 12)
    expected = interval(resample(sections, rules, RESAMPLES, seed=3).score)
    assert figures["interval"] == {"low": expected.low, "high": expected.high}
    assert (figures["clips"], figures["unusable_clips"]) == (6 * 24, 2)
    assert figures["unlabelled_sections"] == 1


def test_no_bootstrap_no_interval(sections: list[Section]) -> None:
    assessment = assess(System("1", tuple(sections)), RULES["2022"], resamples=0)
    assert assessment.intervals is None
    assert "interval" not in assessment.to_json()


def test_what_is_undefined_is_null_and_named(make_section: Callable[..., Section]) -> None:
    system = System("1", (make_section(labels=[0] * 24),))
    figures = assess(system, RULES["2022"], RESAMPLES).to_json()
    assert (figures["score"], figures["values"], figures["undefined"]) == (None, 0, 3)
    assert figures["interval"] == {"low": None, "high": None}
    assert figures["machines"]["fan"]["sections"]["00"]["pauc"] is None
    assert len(figures["undefined_values"]) == 3
    json.dumps(figures, allow_nan=False)


def test_the_digest_is_of_all_that_is_evaluated(sections: list[Section]) -> None:
    first, *others = sections
    digest = System("1", tuple(sections)).digest
    assert System("other name", (*others, first)).digest == digest
    for changed in (
        replace(first, scores=first.scores + 1e-9),
        replace(first, labels=~first.labels),
        replace(first, decisions=None),
    ):
        assert System("1", (changed, *others)).digest != digest


def test_a_comparison_as_json(sections: list[Section]) -> None:
    found = comparison_json(compare(sections, sections, RULES["2022"], RESAMPLES))
    nothing = {"difference": 0.0, "interval": {"low": 0.0, "high": 0.0}}
    machines = sorted({section.machine for section in sections})
    assert found == nothing | {"machines": dict.fromkeys(machines, nothing)}
