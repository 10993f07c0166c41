"""What the classifiers of fine-tuning learn: the machine, section and attributes of a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from asd.clips.record import Clip

UNKNOWN = -100  # the target that torch's cross entropy leaves out

# A section or a set of attributes means something within its machine type alone.
_KINDS: dict[str, Callable[[Clip], str]] = {
    "machine": lambda clip: clip.machine,
    "section": lambda clip: f"{clip.machine}/{clip.section}",
    "attributes": lambda clip: f"{clip.machine}/{clip.attributes}" if clip.attributes else "",
}


@dataclass(frozen=True)
class Labels:
    """The classes of the training clips.

    Attributes:
        classes: kind of class -> its names, sorted; kinds with fewer than two classes teach
            nothing and are left out.
        targets: kind of class -> (N,) int64, :data:`UNKNOWN` for clips without such a class.
    """

    classes: dict[str, list[str]]
    targets: dict[str, np.ndarray]


def label_clips(clips: Sequence[Clip]) -> Labels:
    """Return the classes of ``clips`` (N) and which of them each clip belongs to."""
    classes, targets = {}, {}
    for kind, name_of in _KINDS.items():
        names = [name_of(clip) for clip in clips]
        known = sorted(set(names) - {""})
        if len(known) > 1:
            number = {name: i for i, name in enumerate(known)}
            classes[kind] = known
            targets[kind] = np.array([number.get(name, UNKNOWN) for name in names], np.int64)
    return Labels(classes, targets)
