"""What a machine's training clips are classified by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from asd.training.transforms import TRANSFORMS

Task = Literal["sections", "attributes", "transformations"]


@dataclass(frozen=True)
class Labels:
    """The classes of N training clips.

    Attributes:
        task: what the primary classes are.
        classes: their names, C.
        primary: (N,) the primary class of each clip.
        attribute_classes: names of the attribute classes, A; fewer than two make no task.
        attribute: (N,) the attribute class of each clip, -1 where its attributes are hidden.
    """

    task: Task
    classes: tuple[str, ...]
    primary: np.ndarray
    attribute_classes: tuple[str, ...]
    attribute: np.ndarray


def label(sections: Sequence[str], domains: Sequence[str], attributes: Sequence[str]) -> Labels:
    """Choose the classes of a machine's training clips.

    The primary classes are the sections, as in the paper. A machine with one section is classified
    by its operating states, a state being a domain with a combination of attributes; one with a
    single state, or with no attributes at all, by the transformations that its clips have gone
    through (:mod:`asd.training.transforms`).

    The attribute classes of the auxiliary loss are the combinations of attributes that the clip
    names give, each section's for itself: the same value means another thing on another machine.

    Args:
        sections, domains, attributes: (N,) of each training clip, as in the index.
    """
    states = [
        f"{domain} {attribute}".strip()
        for domain, attribute in zip(domains, attributes, strict=True)
    ]
    task: Task
    if len(set(sections)) > 1:
        task, named = "sections", list(sections)
    elif any(attributes) and len(set(states)) > 1:
        task, named = "attributes", states
    else:
        task, named = "transformations", [TRANSFORMS[0]] * len(sections)
    classes = TRANSFORMS if task == "transformations" else tuple(sorted(set(named)))
    combinations = [
        f"section_{section} {attribute}" if attribute else ""
        for section, attribute in zip(sections, attributes, strict=True)
    ]
    attribute_classes = tuple(sorted({one for one in combinations if one}))
    return Labels(
        task,
        classes,
        _numbered(named, classes),
        attribute_classes,
        _numbered(combinations, attribute_classes),
    )


def _numbered(names: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    number = {name: i for i, name in enumerate(classes)}
    return np.array([number.get(name, -1) for name in names], np.int32)
