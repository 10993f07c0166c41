"""What a machine is classified by."""

from __future__ import annotations

from asd.training.labels import label
from asd.training.transforms import TRANSFORMS


def test_several_sections() -> None:
    labels = label(["01", "00", "00"], ["source"] * 3, ["vel=1", "vel=2", ""])
    assert labels.task == "sections"
    assert labels.classes == ("00", "01")
    assert labels.primary.tolist() == [1, 0, 0]
    # The same value is another state in another section; hidden attributes are of no class.
    assert labels.attribute_classes == ("section_00 vel=2", "section_01 vel=1")
    assert labels.attribute.tolist() == [1, 0, -1]


def test_one_section_is_told_apart_by_its_states() -> None:
    labels = label(
        ["00"] * 4, ["source", "source", "target", "source"], ["a=1", "a=2", "a=1", "a=1"]
    )
    assert labels.task == "attributes"
    assert labels.classes == ("source a=1", "source a=2", "target a=1")
    assert labels.primary.tolist() == [0, 1, 2, 0]


def test_domains_alone_are_no_states() -> None:
    labels = label(["00"] * 3, ["source", "target", "source"], ["", "", ""])
    assert labels.task == "transformations"
    assert labels.attribute_classes == ()


def test_one_state_is_told_apart_by_transformations() -> None:
    labels = label(["00"] * 3, [""] * 3, [""] * 3)
    assert labels.task == "transformations"
    assert labels.classes == TRANSFORMS
    # A clip as it was recorded is of the first class, the identity.
    assert labels.primary.tolist() == [0, 0, 0]
