"""What a clip's name and place say of it: every challenge year 2020-2026, and plain folders.

The grammars of the challenge are exact: a name is read as a whole or not at all. Names of files, by
year (folder: name):

- 2020: ``train: normal_id_01_00000000.wav``, ``test: anomaly_id_01_00000000.wav``, and without a
  label in the evaluation set (``test: id_05_00000000.wav``).
- 2021: ``train: section_00_source_train_normal_0000_<attributes>.wav``, ``source_test:
  section_00_source_test_anomaly_0000_<attributes>.wav``, ``target_test: ...``, and without a
  label ``source_test: section_03_source_test_0000.wav`` or ``section_03_0000.wav``.
- 2022-2026: as 2021, with one folder ``test`` in which names without a label
  (``section_03_0000.wav``) tell no domain either. In 2025 also ``supplemental``, with clean machine
  clips (``section_00_source_supplemental_machine_0000.wav``, ``section_00_machine_0001_.wav``) or
  the noise of the hall alone (``section_00_noise_supplemental_normal_0000.wav``), labelled
  ``noise``.

In a plain folder, the place says what a recording is. Between a machine's folder and the file, in
folders at any depth, these words count, in upper or lower case (:func:`meaning`):

- ``train`` is normal sound for training, as is what lies straight in the machine's folder;
- ``normal``, ``ok``, ``good``, ``healthy``, ``io`` ... is normal sound, which is still to be split
  where nothing says for what: see :func:`choose_split`;
- ``abnormal``, ``anomaly``, ``bad``, ``ng``, ``nok``, ``faulty`` ... is for testing, and is never
  learnt, wherever it lies;
- ``test`` is for testing, of unknown label without a word for one;
- ``id_NN`` (as in MIMII) is the section NN.

A folder that says nothing and lies beside one that does is a class that is not understood.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from asd.progress import note

NO_ATTRIBUTE = "noAttribute"
HIDDEN = frozenset({NO_ATTRIBUTE, "noAttributes"})
SUPPLEMENTAL = "supplemental"
NOISE = "noise"
"""The label of what is no machine: the noise of the hall alone, among supplemental clips."""
_TRAINING = frozenset({"train", "training"})
_TESTING = frozenset({"test", "testing", "eval", "evaluation", "val", "validation"})
_NORMAL = frozenset(
    {"normal", "ok", "okay", "good", "healthy", "intact", "undamaged", "gut", "nominal"}
)
_ABNORMAL = frozenset(
    {"abnormal", "abnormality", "anomal", "anomaly", "anomalies", "anomalous", "bad", "broken"}
    | {"damage", "damaged", "damages", "defect", "defective", "defects", "defekt", "error"}
    | {"fail", "failed", "failure", "failures", "fault", "faults", "faulty", "faulted", "kaputt"}
    | {"malfunction", "nok", "schlecht", "unhealthy", "unnormal"}
)
_FAULTLESS = frozenset({"faultless", "faultfree", "defectfree", "errorfree"})
# What only counts as the whole name of a folder: it may be the beginning of many another one.
_WHOLE = {"io": "normal", "nio": "abnormal", "ng": "abnormal"}
# What may stand beside train and test: a "test rig" is none.
_BESIDE = frozenset(
    {"audio", "clips", "data", "dataset", "dev", "files", "recordings", "set", "sounds", "source"}
    | {"target", "wav", "wavs"}
)
_NEGATIONS = frozenset({"no", "non", "not", "un", "without", "kein", "keine", "nicht"})


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
_UNIT = r"(?:(?P<label>normal|anomaly)_)?id_(?P<section>[0-9]{2})"
_TAIL = r"(?:_(?P<tail>[^_;=/\s]+(?:_[^_;=/\s]+)*))?"
_BARE = rf"{_SECTION}_[0-9]{{4}}"
_SUPPLEMENT = (
    rf"{_SECTION}_(?P<kinds>(?:(?:source|target|supplemental|normal|machine|noise)_)+)[0-9]{{4}}"
    rf"(?:_|{_TAIL})"
)
_TRAIN = rf"{_SECTION}_(?P<domain>source|target)_train_(?P<label>normal)_[0-9]{{4}}{_TAIL}"


def _test(domain: str) -> str:
    """Return the form of a labelled test clip's name, for a regular expression of the domain."""
    return rf"{_SECTION}_(?P<domain>{domain})_test_(?P<label>normal|anomaly)_[0-9]{{4}}{_TAIL}"


def _unlabelled_test(domain: str) -> str:
    return rf"{_SECTION}_(?P<domain>{domain})_test_[0-9]{{4}}"


_FORMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "dcase2022": {
        "train": (_TRAIN,),
        "test": (_test("source|target"), _BARE),
        SUPPLEMENTAL: (_SUPPLEMENT,),
    },
    "dcase2021": {
        "train": (_TRAIN,),
        "source_test": (_test("source"), _unlabelled_test("source"), _BARE),
        "target_test": (_test("target"), _unlabelled_test("target"), _BARE),
    },
    "dcase2020": {
        "train": (r"(?P<label>normal)_id_(?P<section>[0-9]{2})_[0-9]{8}",),
        "test": (rf"{_UNIT}_[0-9]{{8}}",),
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
"""Challenge layouts by name; ``dcase2022`` is that of 2022-2026."""


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
            kinds = (parts.get("kinds") or "").split("_")
            told = (kind for kind in kinds if kind in ("source", "target"))
            named_by_folder = folder.rpartition("_")[0]  # source_test, target_test
            label = "" if folder != SUPPLEMENTAL else NOISE if NOISE in kinds else "normal"
            return Facts(
                section=parts["section"],
                domain=parts.get("domain") or next(told, named_by_folder),
                split=folder if folder in ("train", SUPPLEMENTAL) else "test",
                label=parts.get("label") or label,
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
    if tail in HIDDEN:
        return ""
    tokens = tail.split("_")
    keys, values = tokens[::2], tokens[1::2]
    if len(keys) == len(values) and all(key[0].isalpha() for key in keys):
        return ";".join(f"{key}={value}" for key, value in zip(keys, values, strict=True))
    return f"condition={tail}"


def meaning(name: str) -> frozenset[str]:
    """Return what a folder's name says: of train, test, normal and abnormal; or nothing.

    Example:
        >>> [sorted(meaning(name)) for name in ("Training", "n.i.O.", "no faults", "test_bad")]
        [['train'], ['abnormal'], ['normal'], ['abnormal', 'test']]
        >>> sorted(meaning("monday"))
        []
    """
    tokens = re.findall(r"[^\W\d_]+", name.casefold())
    whole = "".join(tokens)
    if whole in _WHOLE:
        return frozenset({_WHOLE[whole]})
    said, others = set(), set()
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        negated = before in _NEGATIONS or after == "free"
        if token in _ABNORMAL:
            said.add("normal" if negated else "abnormal")
        elif token in _NORMAL:
            said.add("abnormal" if negated else "normal")
        elif token in _FAULTLESS:
            said.add("normal")
        elif token not in _BESIDE | _NEGATIONS | {"free"}:
            others.add(token)
    if not others - _TRAINING - _TESTING:
        said |= {"train"} if others & _TRAINING else set()
        said |= {"test"} if others & _TESTING else set()
    return frozenset(said - {"normal"} if "abnormal" in said else said)


def section_of(name: str) -> str:
    """Return the section that a folder's name says; ``""`` for none."""
    identity = re.fullmatch(r"id_([0-9]{2})", name.casefold())
    return identity[1] if identity else ""


def section_told(path: PurePath) -> str:
    """Return the section that a recording's name or else its folder says; ``""`` for none.

    Example:
        >>> section_told(PurePath("new/section_03_source_test_0000.wav"))
        '03'
    """
    # Its beginning says it, whatever follows: a window of it, or another suffix.
    told = re.match(f"{_SECTION}_", path.name) or re.match(f"{_UNIT}_", path.name)
    return told["section"] if told else section_of(path.parent.name)


def place(folders: Sequence[str], name: str = "", normal: int | None = None) -> Facts | str:
    """Read what the folders between a machine's folder and a file say of it.

    Args:
        folders: names of the folders, the outermost first.
        name: the file's base name: what is named as a fault is not learnt either.
        normal: how many of the folders, from the outermost, are the one that was said to be normal,
            whatever they are called; None where none was.

    Returns:
        What they say, with split ``""`` for a normal clip whose split is to be chosen; or the
        reason why they say nothing, as ``reason: details``.
    """
    where = "/".join(folders) or "."
    section = next(filter(None, map(section_of, folders)), "00")
    said = {
        word
        for depth, folder in enumerate(folders)
        for word in meaning(folder)
        if depth >= (normal or 0) or word in ("train", "test")
    }
    split = "train" if "train" in said else "test" if "test" in said else ""
    if {"train", "test"} <= said:
        return f"both for training and for testing: in '{where}'"
    if "abnormal" in said:
        if split == "train":
            return f"an anomaly among training clips: in '{where}'"
        if "normal" in said or normal is not None:
            return f"normal and faulty at once: in '{where}'"
        return Facts(section, "", "test", "anomaly")
    is_normal = "normal" in said or normal is not None
    if split == "test":
        return Facts(section, "", "test", "normal" if is_normal else "")
    if not is_normal and not split:
        unknown = [folder for folder in folders if not section_of(folder)]
        if unknown:
            return not_understood(unknown[0])
        split = "train"
    if "abnormal" in meaning(Path(name).stem):
        return f"named as a fault: '{name}' among normal sound; move it to a folder 'abnormal'"
    return Facts(section, "", split, "normal")


def not_understood(folder: str) -> str:
    """Return the reason for a folder whose name says nothing."""
    return (
        f"folder '{folder}' not understood: none of train, test, normal, abnormal;"
        " 'asd init folder --normal DIR' says that its sound is normal"
    )


def is_class(name: str) -> bool:
    """Return whether a folder's name says that its sound is normal or is not."""
    return not meaning(name).isdisjoint({"normal", "abnormal"})


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


def read_attributes(folder: Path) -> dict[tuple[str, str], str]:
    """Read the attribute tables of one machine.

    A table's columns are ``file_name,d1p,d1v[,d2p,d2v...]``, the name of each attribute before its
    value; a machine that hides its attributes has the first one alone. A file's name is
    ``<machine>/<split folder>/<base name>``, or the base name without its suffix. What cannot be
    read of a table is told on standard error and passed over: recordings can do without.

    Args:
        folder: the machine's folder.

    Returns:
        (split folder, or ``""`` where the table has none, and base name without suffix) ->
        ``key=value`` joined by ``;``; clips without attributes, or with hidden ones, have ``""``.
    """
    attributes: dict[tuple[str, str], str] = {}
    for path in sorted(folder.glob("attributes_[0-9][0-9].csv")):
        for line, row in enumerate(_rows(path), start=2):
            place = PurePosixPath(row[0].strip() if row else "")
            if not place.name:
                continue
            cells = [cell.strip() for cell in row[1:]]
            if strange := [cell for cell in cells if any(mark in cell for mark in ";=\n\r")]:
                note(f"{path}, line {line}: left out, as {strange[0]!r} holds one of ; or =")
                continue
            stem = re.sub(_SUFFIX + "$", "", place.name)  # values may hold points
            attributes[place.parent.name, stem] = _pairs(cells)
    return attributes


def attributes_in(tables: Mapping[tuple[str, str], str], folder: str, name: str) -> str:
    """Return what the tables of :func:`read_attributes` say of a file, ``""`` for nothing."""
    stem = re.sub(_SUFFIX + "$", "", name)
    return tables.get((folder, stem)) or tables.get(("", stem), "")


def _rows(path: Path) -> list[list[str]]:
    """Return the rows below the heading; none, and a note, where it is no table of attributes."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        note(f"{path}: left out, as it cannot be read as CSV ({error})")
        return []
    if not rows or not rows[0] or rows[0][0].strip() not in ("file_name", "filename"):
        note(f"{path}: left out, as its first column is not 'file_name'")
        return []
    return rows[1:]


def _pairs(cells: Sequence[str]) -> str:
    """Join the cells d1p, d1v, d2p, d2v... of one clip; a pair without a name or value is none."""
    pairs = zip(cells[::2], cells[1::2], strict=False)  # an odd last cell has no value
    return ";".join(f"{key}={value}" for key, value in pairs if key and value and key not in HIDDEN)
