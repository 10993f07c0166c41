"""What training clips are classified by, and which of them are held out of training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from asd.clip_table import ClipTable
from asd.clips.record import Clip
from asd.config import CLASS_PARTS, ClassPart
from asd.training.transforms import TRANSFORMS

Task = Literal["sections", "attributes", "transformations", "joint"]
UNKNOWN = -1
"""The class of a clip that is of none."""
# Fewer clips of a class cannot be told from others.
_LEAST = 2


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

    def of(self, rows: np.ndarray) -> Labels:
        """Return the labels of some of the clips, those at ``rows`` (n,); classes stay numbered."""
        return replace(self, primary=self.primary[rows], attribute=self.attribute[rows])


def label(
    sections: Sequence[str],
    domains: Sequence[str],
    attributes: Sequence[str],
    machines: Sequence[str] | None = None,
    parts: Sequence[ClassPart] = CLASS_PARTS,
) -> Labels:
    """Choose the classes of a machine's training clips, or of those of several machines.

    The primary classes are the sections, as in the paper. A machine with one section is classified
    by its operating states, a state being a domain with a combination of attributes; one with a
    single state, or with no attributes at all, by the transformations that its clips have gone
    through (:mod:`asd.training.transforms`). Clips of several machines are classified by what
    ``parts`` say (:func:`joint_names`).

    The attribute classes of the auxiliary loss are the combinations of attributes that the clip
    names give, each section's for itself: the same value means another thing on another machine.

    Args:
        sections, domains, attributes: (N,) of each training clip, as in the index.
        machines: (N,) of each, for one network over several machines.
        parts: what makes a class of such a network.
    """
    states = names_of("attributes", sections, domains, attributes)
    task: Task
    if machines and len(set(joint_names(machines, sections, domains, attributes, parts))) > 1:
        task = "joint"
    elif len(set(sections)) > 1:
        task = "sections"
    elif any(attributes) and len(set(states)) > 1:
        task = "attributes"
    else:
        task = "transformations"
    named = names_of(task, sections, domains, attributes, machines, parts)
    classes = TRANSFORMS if task == "transformations" else tuple(sorted(set(named)))
    owners = [f"{machine} " for machine in machines] if machines else [""] * len(sections)
    combinations = [
        f"{owner}section_{section} {attribute}" if attribute else ""
        for owner, section, attribute in zip(owners, sections, attributes, strict=True)
    ]
    attribute_classes = tuple(sorted({one for one in combinations if one}))
    return Labels(
        task,
        classes,
        numbered(named, classes),
        attribute_classes,
        numbered(combinations, attribute_classes),
    )


def names_of(
    task: str,
    sections: Sequence[str],
    domains: Sequence[str],
    attributes: Sequence[str],
    machines: Sequence[str] | None = None,
    parts: Sequence[ClassPart] = CLASS_PARTS,
) -> list[str]:
    """Return the name of the primary class (N,) of each clip in a task; see :func:`label`."""
    if task == "joint":
        return joint_names(machines or (), sections, domains, attributes, parts)
    if task == "sections":
        return list(sections)
    if task == "attributes":
        pairs = zip(domains, attributes, strict=True)
        return [f"{domain} {attribute}".strip() for domain, attribute in pairs]
    return [TRANSFORMS[0]] * len(sections)


def joint_names(
    machines: Sequence[str],
    sections: Sequence[str],
    domains: Sequence[str],
    attributes: Sequence[str],
    parts: Sequence[ClassPart] = CLASS_PARTS,
) -> list[str]:
    """Return the class (N,) of each clip in a joint task: the ``parts`` that are known of it."""
    columns = zip(CLASS_PARTS, (machines, sections, domains, attributes), strict=True)
    chosen = [column for part, column in columns if part in parts]
    return [" ".join(value for value in values if value) for values in zip(*chosen, strict=True)]


def numbered(names: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Return the place (N,) int32 of each name among the classes, or :data:`UNKNOWN`."""
    number = {name: i for i, name in enumerate(classes)}
    return np.array([number.get(name, UNKNOWN) for name in names], np.int32)


class Classes(NamedTuple):
    """Classes of one kind: their names, C, and the class (N,) int64 of each clip."""

    names: tuple[str, ...]
    numbers: np.ndarray


def kinds_of_classes(clips: Sequence[Clip]) -> dict[str, Classes]:
    """Return the classes that clips (N) of several machines have, by kind, for fine-tuning.

    A section or a set of attributes means something within its machine type alone. Kinds with
    fewer than two classes teach nothing and are left out.
    """
    named = {
        "machine": [clip.machine for clip in clips],
        "section": [f"{clip.machine}/{clip.section}" for clip in clips],
        "attributes": [
            f"{clip.machine}/{clip.attributes}" if clip.attributes else "" for clip in clips
        ],
    }
    known = {kind: tuple(sorted(set(names) - {""})) for kind, names in named.items()}
    return {
        kind: Classes(classes, numbered(named[kind], classes).astype(np.int64))
        for kind, classes in known.items()
        if len(classes) > 1
    }


def held_out(
    groups: Sequence[str], classes: np.ndarray, clips: ClipTable, share: float
) -> np.ndarray:
    """Return which of the training clips (N,) are held out of training.

    A network knows the clips that it was trained on: their scores are lower than those of new
    normal clips, and a threshold on them raises far more false alarms than asked for. Held-out
    clips are as new to it as those to come.

    The choice follows from the contents of the clips: it does not depend on their order, and a clip
    that is added moves few others. Windows of one recording are taken one after the other, so that
    few of those held out lie beside one that is learned from.

    Args:
        groups: (N,) what each clip is of, such as its section and domain; each group gives its
            share, rounded.
        classes: (N,) the class of each; two clips of every class are always left.
        clips: the clips; of windows it tells which recording they are of, and where.
        share: of each group, in [0, 1).

    Example:
        >>> recordings = ["1.wav", "2.wav", "3.wav", "4.wav"]
        >>> clips = ClipTable.of_columns({"recording": recordings, "content": list("cadb")})
        >>> held_out(["00"] * 4, np.zeros(4, int), clips, 0.25).tolist()
        [False, True, False, False]
    """
    chosen = np.zeros(len(groups), dtype=bool)
    wanted = {group: int(share * count + 0.5) for group, count in Counter(groups).items()}
    left = Counter(classes.tolist())
    least: dict[str, str] = {}
    for recording, digest in zip(clips.recording, clips.content, strict=True):
        least[recording] = min(digest, least.get(recording, digest))
    order = [
        (least[recording], start, digest, row)
        for row, (recording, start, digest) in enumerate(
            zip(clips.recording, clips.start.tolist(), clips.content, strict=True)
        )
    ]
    for *_, row in sorted(order):
        group, of_class = groups[row], int(classes[row])
        if wanted[group] and left[of_class] > _LEAST:
            chosen[row] = True
            wanted[group] -= 1
            left[of_class] -= 1
    return chosen
