"""Training clips that a network does not learn from, so that thresholds can be set on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from asd.fragment import recording_of, start_of

# Fewer clips of a class cannot be told from others.
_LEAST = 2


def held_out(
    groups: Sequence[str],
    classes: np.ndarray,
    names: Sequence[str],
    content: Sequence[str],
    share: float,
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
        names: (N,) their names; those of windows say which recording they are of, and where.
        content: (N,) the content digest of each.
        share: of each group, in [0, 1).

    Example:
        >>> names = ["1.wav", "2.wav", "3.wav", "4.wav"]
        >>> held_out(["00"] * 4, np.zeros(4, int), names, ["c", "a", "d", "b"], 0.25).tolist()
        [False, True, False, False]
    """
    chosen = np.zeros(len(groups), dtype=bool)
    wanted = {group: int(share * count + 0.5) for group, count in Counter(groups).items()}
    left = Counter(classes.tolist())
    of_recording: dict[str, str] = {}
    for name, digest in zip(names, content, strict=True):
        recording = recording_of(name)
        of_recording[recording] = min(digest, of_recording.get(recording, digest))
    order = [
        (of_recording[recording_of(name)], start_of(name), digest, row)
        for row, (name, digest) in enumerate(zip(names, content, strict=True))
    ]
    for *_, row in sorted(order):
        group, of_class = groups[row], int(classes[row])
        if wanted[group] and left[of_class] > _LEAST:
            chosen[row] = True
            wanted[group] -= 1
            left[of_class] -= 1
    return chosen
