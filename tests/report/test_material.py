"""Which clips are shown; t-SNE: the same each time, and what belongs together stays together."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from asd.report.material import choose, in_turn, lay_out
from asd.report.scores import ScoredSection


def scores_of(section: ScoredSection, label: str) -> list[float]:
    return sorted(section.scores[section.labels == label].tolist())


def test_one_section_gives_three_of_each_kind(section: ScoredSection) -> None:
    choices = choose([section])
    normal, anomaly = scores_of(section, "normal"), scores_of(section, "anomaly")
    expected = [*anomaly[:-4:-1], *normal[:-4:-1], *anomaly[:3]]
    assert [choice.score for choice in choices] == expected
    assert [choice.why for choice in choices[:3]] == [
        "Anomaly with the highest score",
        "Anomaly with the second highest score",
        "Anomaly with the third highest score",
    ]
    assert all((choice.label == "normal") == (3 <= i < 6) for i, choice in enumerate(choices))


def test_ranks_and_decisions_are_those_of_the_section(section: ScoredSection) -> None:
    for choice in choose([section]):
        row = section.names.index(choice.name)
        assert choice.rank == sorted(section.scores, reverse=True).index(choice.score) + 1
        assert choice.called == section.decisions[row]


@pytest.mark.parametrize(("sections", "each"), [(1, 3), (2, 1), (3, 1), (6, 1)])
def test_more_sections_share(section: ScoredSection, sections: int, each: int) -> None:
    several = [replace(section, section=f"{i:02d}") for i in range(sections)]
    counts = Counter(choice.key for choice in choose(several))
    assert counts == dict.fromkeys(((s.machine, s.section) for s in several), 3 * each)


def test_without_labels_the_highest_scores(unlabelled: ScoredSection) -> None:
    choices = choose([unlabelled])
    assert [c.score for c in choices] == sorted(unlabelled.scores, reverse=True)[:9]
    assert choices[0].why == "Clip with the highest score"


def test_no_clip_twice_where_there_are_few(section: ScoredSection) -> None:
    rows = [0, 1, len(section.names) - 1]
    few = replace(
        section,
        names=tuple(section.names[row] for row in rows),
        labels=section.labels[rows],
        domains=section.domains[rows],
        scores=section.scores[rows],
        decisions=None,
    )
    names = [choice.name for choice in choose([few])]
    assert sorted(names) == sorted(few.names)


def test_the_first_few_in_turn_are_of_several_sections_and_kinds(section: ScoredSection) -> None:
    choices = choose([replace(section, section=s) for s in ("00", "01", "02")])
    order = in_turn(choices)
    assert [choice.key[1] for choice in order] == ["00", "01", "02"] * 3
    assert len({choice.why for choice in order[:3]}) == 3
    assert sorted(map(str, order)) == sorted(map(str, choices))
    assert in_turn([]) == []


def test_two_directions_come_apart_and_length_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(8)[:2], 20, axis=0)
    points = (centres + 0.05 * rng.normal(size=(40, 8))) * rng.uniform(1, 9, size=(40, 1))
    places = lay_out(points.astype(np.float32))
    first, second = places[:20], places[20:]
    inside = max(np.ptp(first, axis=0).max(), np.ptp(second, axis=0).max())
    assert np.linalg.norm(first.mean(axis=0) - second.mean(axis=0)) > inside


def test_the_same_embeddings_give_the_same_places() -> None:
    points = np.random.default_rng(1).normal(size=(24, 6)).astype(np.float32)
    np.testing.assert_array_equal(lay_out(points), lay_out(points))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_clips_give_no_map(count: int) -> None:
    assert lay_out(np.ones((count, 3), np.float32)) is None


def test_embeddings_that_are_all_the_same() -> None:
    places = lay_out(np.ones((6, 3), np.float32))
    assert np.isfinite(places).all()
