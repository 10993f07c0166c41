"""What a clip's name and folder say of it: exact grammars of the challenge years 2020-2025.

A name is read as a whole or not at all. Names of files, by year (folder: name):

- 2020: ``train: normal_id_01_00000000.wav``, ``test: anomaly_id_01_00000000.wav``, and without a
  label in the evaluation set (``test: id_05_00000000.wav``).
- 2021: ``train: section_00_source_train_normal_0000_<attributes>.wav``, ``source_test:
  section_00_source_test_anomaly_0000_<attributes>.wav``, ``target_test: ...``, and without a
  label ``source_test: section_03_source_test_0000.wav`` or ``section_03_0000.wav``.
- 2022-2025: as 2021, with one folder ``test`` in which names without a label
  (``section_03_0000.wav``) tell no domain either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

HIDDEN = "noAttribute"


@dataclass(frozen=True)
class Facts:
    """What a clip's place and name say; the fields are those of :class:`asd.clips.record.Clip`.

    ``attributes`` is None where the name has no attributes, and ``""`` where it says that they are
    hidden. ``split`` is ``""`` where it is still to be chosen.
    """

    section: str
    domain: str
    split: str
    label: str
    attributes: str | None = None


_SUFFIX = r"(?i:\.(?:wav|flac|ogg))"
_SECTION = r"section_(?P<section>[0-9]{2})"
_TAIL = r"(?:_(?P<tail>[^_;=/\s]+(?:_[^_;=/\s]+)*))?"
_BARE = rf"{_SECTION}_[0-9]{{4}}"
_TRAIN = rf"{_SECTION}_(?P<domain>source|target)_train_(?P<label>normal)_[0-9]{{4}}{_TAIL}"


def _test(domain: str) -> str:
    """Return the form of a labelled test clip's name, for a regular expression of the domain."""
    return rf"{_SECTION}_(?P<domain>{domain})_test_(?P<label>normal|anomaly)_[0-9]{{4}}{_TAIL}"


def _unlabelled_test(domain: str) -> str:
    return rf"{_SECTION}_(?P<domain>{domain})_test_[0-9]{{4}}"


_FORMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "dcase2022": {"train": (_TRAIN,), "test": (_test("source|target"), _BARE)},
    "dcase2021": {
        "train": (_TRAIN,),
        "source_test": (_test("source"), _unlabelled_test("source"), _BARE),
        "target_test": (_test("target"), _unlabelled_test("target"), _BARE),
    },
    "dcase2020": {
        "train": (r"(?P<label>normal)_id_(?P<section>[0-9]{2})_[0-9]{8}",),
        "test": (r"(?:(?P<label>normal|anomaly)_)?id_(?P<section>[0-9]{2})_[0-9]{8}",),
    },
}
_GRAMMARS = {
    layout: {
        folder: tuple(re.compile(form + _SUFFIX) for form in forms)
        for folder, forms in folders.items()
    }
    for layout, folders in _FORMS.items()
}

LAYOUTS: tuple[str, ...] = tuple(_GRAMMARS)
"""Challenge layouts by name; ``dcase2022`` is that of 2022-2025."""


def parse(layout: str, folder: str, name: str) -> Facts | None:
    """Read a clip's name by the grammar of a challenge layout.

    Args:
        layout: one of :data:`LAYOUTS`.
        folder: name of the folder, below the machine's, that holds the file.
        name: the file's base name.

    Returns:
        What they say, or None where the name is not one of that folder.

    Example:
        >>> name = "section_00_source_train_normal_0046_vel_21_loc_A.wav"
        >>> found = parse("dcase2022", "train", name)
        >>> found.section, found.domain, found.split, found.label, found.attributes
        ('00', 'source', 'train', 'normal', 'vel=21;loc=A')
    """
    for form in _GRAMMARS[layout].get(folder, ()):
        match = form.fullmatch(name)
        if match:
            parts = match.groupdict()
            tail = parts.get("tail")
            named_by_folder = folder.rpartition("_")[0]  # source_test, target_test
            return Facts(
                section=parts["section"],
                domain=parts.get("domain") or named_by_folder,
                split="train" if folder == "train" else "test",
                label=parts.get("label") or "",
                attributes=None if tail is None else attributes_of(tail),
            )
    return None


def why_not(layout: str, folder: str, name: str) -> str:
    """Say why :func:`parse` does not read a name, as ``reason: details``."""
    folders = _GRAMMARS[layout]
    if folder not in folders:
        return f"folder unknown to {layout}: '{folder}', not {' or '.join(folders)}"
    for other in folders:
        if parse(layout, other, name):
            return f"name and folder disagree: a name of {other} in {folder}"
    return f"name fits no grammar: {layout} has none like it in {folder}"


def attributes_of(tail: str) -> str:
    """Return the attributes that the tail of a name spells.

    An even number of tokens, each key beginning with a letter, is a list of pairs; any other tail
    (the names of 2021) is one attribute, ``condition``.

    Example:
        >>> attributes_of("car_C2_spd_34V_mic_1")
        'car=C2;spd=34V;mic=1'
        >>> attributes_of("strength_1_ambient")
        'condition=strength_1_ambient'
    """
    if tail == HIDDEN:
        return ""
    tokens = tail.split("_")
    keys, values = tokens[::2], tokens[1::2]
    if len(keys) == len(values) and all(key[0].isalpha() for key in keys):
        return ";".join(f"{key}={value}" for key, value in zip(keys, values, strict=True))
    return f"condition={tail}"
