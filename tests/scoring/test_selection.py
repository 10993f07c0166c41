"""What is chosen from training clips alone, and by which criterion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from asd.config import ScorerConfig, SelectConfig
from asd.errors import UsageError
from asd.scoring.bank import Bank
from asd.scoring.selection import CRITERIA, choose
from asd.scoring.system import Member, build_members

SELECT = SelectConfig(
    models={"pooled": ("blind", "keen")},
    scorers={"cosine": ScorerConfig(scorer="cosine"), "gmm": ScorerConfig(scorer="gmm")},
)


@pytest.fixture
def bank(make_bank: Callable[..., Bank]) -> Bank:
    """Two sections: the embedding ``keen`` tells them apart, ``blind`` does not."""
    whole = make_bank({"00": (30, 0), "01": (30, 0)}, seed=1)
    draw = np.random.default_rng(2)
    apart = 8.0 * np.eye(4)[[int(section) for section in whole.clips.section]]
    noise = draw.normal(size=(2, len(whole), 4))
    arrays = {"keen": noise[0] + apart, "blind": noise[1]}
    arrays = {name: one.astype(np.float32) for name, one in arrays.items()}
    return Bank(whole.clips, np.full(len(whole), -1, np.int32), arrays)


def members() -> dict[str, Member]:
    candidates = SELECT.candidates()
    built = build_members("selected", list(candidates.values()))
    return dict(zip(candidates, built, strict=True))


def of_section(bank: Bank, section: str) -> Bank:
    rows = np.flatnonzero(np.array(bank.clips.section) == section)
    arrays = {name: values[rows] for name, values in bank.arrays.items()}
    return Bank(bank.clips.only(rows), bank.classes[rows], arrays)


def test_candidates_are_all_combinations() -> None:
    assert list(SELECT.candidates()) == [
        "pooled/blind/cosine",
        "pooled/blind/gmm",
        "pooled/keen/cosine",
        "pooled/keen/gmm",
    ]


def test_what_tells_strangers_is_chosen(bank: Bank) -> None:
    choice = choose(members(), {"pooled": bank}, {}, "strangers", 2)
    assert choice.criterion == "strangers"
    assert set(choice.chosen) == {"pooled/keen/cosine", "pooled/keen/gmm"}
    assert set(choice.values) == set(SELECT.candidates())


def test_the_criterion_is_an_auc_against_the_nearest_of_other_sections(bank: Bank) -> None:
    choice = choose(members(), {"pooled": bank}, {}, "strangers", 1)
    expected = []
    member = members()["pooled/keen/gmm"]
    fitted = member.scorer.fit(bank.with_arrays(member.view(bank.arrays, "bank")))
    of = np.array(bank.clips.section)
    for section in ("00", "01"):
        others = bank.arrays["keen"][of != section]
        near = np.sort(fitted.score({"embedding": others}, [section] * len(others)))[:15]
        own = fitted.training_scores()[of == section]
        expected.append(roc_auc_score([0] * 30 + [1] * 15, np.concatenate([own, near])))
    found = choice.values["pooled/keen/gmm"]["strangers"]
    assert found == pytest.approx(np.mean(expected), abs=1e-3)


def test_ties_are_broken_by_how_far_strangers_lie(bank: Bank) -> None:
    farther = bank.with_arrays({**bank.arrays, "blind": bank.arrays["keen"] ** 3})
    choice = choose(members(), {"pooled": farther}, {}, "strangers", 1)
    assert len(choice.chosen) == 1


def test_sections_that_nothing_tells_apart_choose_nothing(bank: Bank) -> None:
    alike = bank.with_arrays({**bank.arrays, "keen": bank.arrays["blind"][::-1].copy()})
    choice = choose(members(), {"pooled": alike}, {}, "strangers", 1)
    assert (choice.criterion, choice.chosen) == ("", tuple(SELECT.candidates()))


def test_those_for_this_case_are_chosen_where_nothing_is_told(bank: Bank) -> None:
    alone, named = of_section(bank, "00"), {"pooled/keen/gmm", "pooled/blind/gmm"}
    choice = choose(members(), {"pooled": alone}, {}, "strangers", 1, otherwise=named)
    assert (choice.criterion, set(choice.chosen)) == ("", named)
    choice = choose(members(), {"pooled": bank}, {}, "strangers", 1, otherwise=named)
    assert choice.criterion == "strangers"


def test_a_model_that_learned_to_tell_classes_apart_is_not_judged_by_strangers(bank: Bank) -> None:
    sections = np.array(bank.clips.section).astype(np.int32)
    learned = Bank(bank.clips, sections, bank.arrays)
    both = {**members(), "net": Member("net", "keen", members()["pooled/keen/gmm"].scorer)}
    choice = choose(both, {"pooled": bank, "net": learned}, {}, "strangers", 3)
    assert choice.values["net"]["strangers"] is None
    assert "net" not in choice.chosen


def test_a_single_section_takes_other_machines(bank: Bank) -> None:
    alone, other = of_section(bank, "00"), of_section(bank, "01")
    choice = choose(members(), {"pooled": alone}, {"pooled": [other]}, "strangers", 1)
    assert all(name.startswith("pooled/keen") for name in choice.chosen)


def test_without_strangers_all_are_joined(bank: Bank) -> None:
    alone = of_section(bank, "00")
    choice = choose(members(), {"pooled": alone}, {}, "strangers", 1)
    assert (choice.criterion, choice.chosen) == ("", tuple(SELECT.candidates()))


def test_candidates_as_good_as_the_last_are_joined_too(bank: Bank) -> None:
    candidates = members() | {"twin": members()["pooled/keen/gmm"]}
    choice = choose(candidates, {"pooled": bank}, {}, "strangers", 1)
    best = max(of["strangers"] or 0 for of in choice.values.values())
    assert {n for n, of in choice.values.items() if of["strangers"] == best} == set(choice.chosen)


@pytest.mark.parametrize("criterion", list(CRITERIA))
def test_every_criterion_ranks_and_repeats(bank: Bank, criterion: str) -> None:
    first = choose(members(), {"pooled": bank}, {}, criterion, 2, tuple(CRITERIA))
    again = choose(members(), {"pooled": bank}, {}, criterion, 2, tuple(CRITERIA))
    assert first == again
    assert first.criterion == criterion
    assert all(
        list(values) == list(first.values["pooled/keen/gmm"]) for values in first.values.values()
    )
    chosen = [first.values[name][criterion] for name in first.chosen]
    assert chosen == sorted(chosen, reverse=True)  # type: ignore[type-var]


def test_an_unknown_criterion_lists_the_known(bank: Bank) -> None:
    with pytest.raises(UsageError, match="unknown criterion 'stranger'.*strangers"):
        choose(members(), {"pooled": bank}, {}, "stranger", 1)
