"""Training clips that a network does not learn from, so that thresholds can be set on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from asd.clip_table import ClipTable

# Fewer clips of a class cannot be told from others.
_LEAST = 2


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
