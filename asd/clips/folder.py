"""Plain folders of recordings, whose place alone says what they are.

Below a machine's folder, any file name, at any depth:

- ``train/`` holds normal clips for training;
- ``test/normal/`` and ``test/abnormal/`` (or ``anomaly``, ``anomalous``) hold test clips of known
  label, the rest of ``test/`` clips of unknown label;
- ``normal/`` and ``abnormal/`` hold clips that are still to be split: see :func:`choose_split`;
- all of these may lie in folders ``id_NN`` (as in MIMII), each of which is the section NN.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from asd.clips.grammar import Facts

_ABNORMAL = frozenset({"abnormal", "anomaly", "anomalous"})
_PLACES = "train, test, normal or abnormal"


def place(folders: Sequence[str]) -> Facts | str:
    """Read what the folders between a machine's folder and a file say of it.

    Args:
        folders: names of the folders, the outermost first.

    Returns:
        What they say, with split ``""`` for a normal clip whose split is to be chosen; or the
        reason why they say nothing, as ``reason: details``.
    """
    names = [name.casefold() for name in folders]
    section = "00"
    identity = re.fullmatch(r"id_([0-9]{2})", names[0]) if names else None
    if identity:
        section, names = identity[1], names[1:]
    outer, inner = (names[0] if names else ""), (names[1] if len(names) > 1 else "")
    label = "normal" if inner == "normal" else "anomaly" if inner in _ABNORMAL else ""
    if outer == "train":
        if label == "anomaly":
            return f"an anomaly among training clips: '{inner}' in train"
        return Facts(section, "", "train", "normal")
    if outer == "test":
        return Facts(section, "", "test", label)
    if outer == "normal":
        return Facts(section, "", "", "normal")
    if outer in _ABNORMAL:
        return Facts(section, "", "test", "anomaly")
    return f"not in a folder named {_PLACES}: in '{'/'.join(folders) or '.'}'"


def choose_split(digests: Iterable[str], train_share: float) -> frozenset[str]:
    """Choose which recordings of a pool of normal clips are for training.

    The choice goes by the content's digest, which is as good as random: it does not depend on the
    order or the names of files, and two copies of one recording never fall on both sides.

    Args:
        digests: SHA-256 of each clip of the pool, hexadecimal.
        train_share: share of the different recordings that is for training; where there are two or
            more, each side gets at least one.

    Returns:
        The digests of the clips for training.
    """
    pool = sorted(set(digests))
    if len(pool) < 2:
        return frozenset(pool)
    count = round(train_share * len(pool))
    return frozenset(pool[: min(max(count, 1), len(pool) - 1)])
