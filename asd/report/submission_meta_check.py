"""Checks the meta information of a submitted system: that it can be read, and is complete."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from asd.report.submission import Label
from asd.report.submission_meta import PLACEHOLDER
from asd.yaml_text import read_yaml

ABBREVIATION = 10  # characters

_STATED = (
    "submission.label",
    "submission.name",
    "submission.abbreviation",
    "system.description.input_sampling_rate",
    "system.description.acoustic_features",
    "system.description.machine_learning_method",
)
# These may be null: the field does not apply, which has to be said.
_PRESENT = tuple(
    f"system.description.{name}"
    for name in (
        "data_augmentation",
        "front_end",
        "embeddings",
        "aggregation_method",
        "ensemble_method_subsystem_count",
        "decision_making",
        "external_data_usage",
        "development_data_usage",
    )
)
_ABSENT = object()
_NOTHING = (_ABSENT, None, "")
_OF_AUTHOR = ("lastname", "firstname", "email", "affiliation.institution", "affiliation.location")


def check_meta(content: bytes, label: Label) -> tuple[list[str], list[str]]:
    """Return what is wrong with a meta information file, and what a person should look at.

    Args:
        content: the file.
        label: the label of its system.

    Returns:
        Errors and warnings.
    """
    try:
        meta = read_yaml(content)
    except ValueError as error:
        return [str(error)], []
    return list(_faults(meta, label)), list(_doubts(meta, content.decode("utf-8")))


def _doubts(meta: Any, text: str) -> Iterator[str]:
    if _at(meta, "results.development_dataset") == {}:
        yield "no results on the development set; run 'asd evaluate', then 'asd submit'"
    abbreviation = _at(meta, "submission.abbreviation")
    if isinstance(abbreviation, str) and len(abbreviation) > ABBREVIATION:
        yield f"submission.abbreviation '{abbreviation}' is longer than {ABBREVIATION} characters"
    marked = [
        str(number)
        for number, line in enumerate(text.splitlines(), start=1)
        if PLACEHOLDER in re.sub(r"(^|\s)#.*", "", line)
    ]
    if marked:
        yield f"{PLACEHOLDER} is left on line {', '.join(marked)}"


def _faults(meta: Any, label: Label) -> Iterator[str]:
    for name in _STATED:
        if _at(meta, name) in _NOTHING:
            yield f"{name} is missing"
    for name in _PRESENT:
        if _at(meta, name) is _ABSENT:
            yield f"{name} is missing; where it does not apply it is !!null"
    stated = _at(meta, "submission.label")
    if stated not in (*_NOTHING, str(label)):
        yield f"submission.label '{stated}' is not the folder's name, {label}"
    yield from _author_faults(_at(meta, "submission.authors"))
    parameters = _at(meta, "system.complexity.total_parameters")
    if parameters is _ABSENT:
        yield "system.complexity.total_parameters is missing"
    elif not isinstance(parameters, int) or isinstance(parameters, bool) or parameters < 0:
        yield f"system.complexity.total_parameters is {parameters!r}, not a whole number"
    results = _at(meta, "results.development_dataset")
    if not isinstance(results, dict):
        yield "results.development_dataset is missing; {} says that there are no results"
        return
    for machine, figures in results.items():
        for name, value in figures.items() if isinstance(figures, dict) else [("", figures)]:
            if value is not None and not _is_percentage(value):
                yield f"results of {machine}: {name} is {value!r}, not a number from 0 to 100"


def _author_faults(authors: Any) -> Iterator[str]:
    if not isinstance(authors, list) or not authors:
        yield "submission.authors is not a list of authors"
        return
    for number, author in enumerate(authors, start=1):
        for name in _OF_AUTHOR:
            if _at(author, name) in _NOTHING:
                yield f"submission.authors: {name} of author {number} is missing"
    if sum(_at(author, "corresponding") is True for author in authors) != 1:
        yield "submission.authors: one author, and no more, is marked 'corresponding: true'"


def _at(document: Any, path: str) -> Any:
    """Return what lies at a dotted path of nested mappings, or ``_ABSENT``."""
    for name in path.split("."):
        if not isinstance(document, dict) or name not in document:
            return _ABSENT
        document = document[name]
    return document


def _is_percentage(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= 100
