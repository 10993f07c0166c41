"""What `asd verify` looks at, kind by kind, and what each kind says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asd.cli.project import Project
from asd.errors import AsdError
from asd.store.digest import sha256_bytes
from asd.store.verification import Damage

_SCORES = re.compile(r"(?:anomaly_score|decision_result)_(?P<machine>.+)_section_[^_]+_test\.csv")


@dataclass(frozen=True)
class Note:
    """Something worth saying of a file that is no damage."""

    path: Path
    text: str


Findings = Iterator[Damage | Note]


@dataclass(frozen=True)
class Kind:
    """A kind of artifact besides shards.

    Attributes:
        noun: what one is called; ``""`` where they are not counted.
        folder, pattern: where they lie below the project's data.
        machine: the machine that one belongs to, by its path; ``""`` for all.
        check: yields what is wrong with one, or raises the error of its reader.
        stage: the verb that makes it again; ``""`` where none can.
    """

    noun: str
    folder: str
    pattern: str
    machine: Callable[[Path], str]
    check: Callable[[Project, Path], Findings]
    stage: str = ""

    def paths(self, project: Project, machines: Collection[str]) -> list[Path]:
        """Return those that are there, of the given machines or (none given) of all."""
        found = sorted((project.data / self.folder).glob(self.pattern))
        return [path for path in found if not machines or self.machine(path) in ("", *machines)]

    def findings(self, project: Project, paths: Iterable[Path]) -> Findings:
        """Yield what is damaged or noteworthy of the artifacts at ``paths``."""
        for path in paths:
            try:
                yield from self.check(project, path)
            except AsdError as error:
                yield Damage.of(path, error)


def _bank(project: Project, path: Path) -> Findings:
    """A bank's digest covers all that it holds."""
    from asd.scoring.bank import read_bank

    made = read_bank(path).provenance
    if (made.get("machine"), made.get("split")) != (path.parent.name, path.stem):
        yield _misplaced(path, f"{made.get('machine')} {made.get('split')}", "embed")
        return
    try:
        record = project.model_dir(path.parent.parent.name, path.parent.name) / "model.json"
        model = json.loads(record.read_text(encoding="utf-8"))["digest"]
    except (OSError, ValueError, LookupError, TypeError):
        return  # No model, or a damaged one, which is listed with the models.
    if model != made.get("model"):
        yield Note(path, "made by another model than the one that is there; run 'asd embed'")


def _version(project: Project, path: Path) -> Findings:
    """An earlier state of a bank, from before recordings were enrolled."""
    from asd.scoring.bank import read_bank

    machine = read_bank(path).provenance.get("machine")
    if machine != path.parent.parent.name:
        yield Damage(path, f"lies in the wrong place: it says that it is of {machine}")


def _model(project: Project, path: Path) -> Findings:
    """A model's record comes last, and has the digests of the other files and of itself."""
    from asd.training.artifact import HISTORY, WEIGHTS, is_history_whole, read_record

    if not path.with_name(WEIGHTS).exists():
        yield Damage(path, f"its {WEIGHTS} are lost; delete it and run 'asd train'")
        return
    record = read_record(path.parent)
    machine = record["request"].get("machine")
    if machine != path.parent.name:
        yield _misplaced(path, f"of {machine}", "train")
    if not is_history_whole(path.parent, record):
        yield Damage(path.with_name(HISTORY), "is not what was written; run 'asd train'")


def _weights(project: Project, path: Path) -> Findings:
    if not path.with_name("model.json").exists():
        yield Note(path, "has no model.json: a training did not come to its end; run 'asd train'")


def _thresholds(project: Project, path: Path) -> Findings:
    """The thresholds come last, and have the digests of the score files and of themselves."""
    from asd.scoring.thresholds import read_provenance

    made = read_provenance(path)
    system = made.get("system", {}).get("name")
    files = made.get("files", {})
    machines = {_machine_of_scores(path.with_name(name)) for name in files}
    if system != path.parent.name or machines - {_machine_of_thresholds(path)}:
        yield _misplaced(path, f"of system {system}, {' '.join(sorted(machines))}", "score")
        return
    for name, digest in files.items():
        file = path.with_name(name)
        if not file.exists():
            yield Damage(file, f"lost: {path.name} names it; run 'asd score'")
        elif sha256_bytes(file.read_bytes()) != digest:
            yield Damage(file, "is not what was written; delete it and run 'asd score'")


def _scores(project: Project, path: Path) -> Findings:
    from asd.scoring.thresholds import read_provenance

    thresholds = path.with_name(f"threshold_{_machine_of_scores(path)}.json")
    try:
        known = path.name in read_provenance(thresholds).get("files", {})
    except AsdError:
        known = thresholds.exists()  # Damaged thresholds are listed themselves.
    if not known:
        yield Note(path, f"{thresholds.name} does not name it; run 'asd score'")


def _checkpoint(project: Project, path: Path) -> Findings:
    """The record of a fine-tuned checkpoint has the digests of the other files and of itself."""
    from asd.finetuning.artifact import read_record

    read_record(path.parent)
    return iter(())


def _misplaced(path: Path, what: str, stage: str) -> Damage:
    reason = f"lies in the wrong place: it says that it is {what}"
    return Damage(path, f"{reason}; delete it and run 'asd {stage}'")


def _vouched_for(project: Project, path: Path) -> Findings:
    """What the record of its model has the digest of is checked with that."""
    return iter(())


def _machine_of_folder(path: Path) -> str:
    return path.parent.name


def _machine_of_thresholds(path: Path) -> str:
    return path.stem.removeprefix("threshold_")


def _machine_of_scores(path: Path) -> str:
    match = _SCORES.fullmatch(path.name)
    return match["machine"] if match else ""


KINDS = (
    Kind("bank", "banks", "*/*/*.h5", _machine_of_folder, _bank, "embed"),
    Kind("bank version", "banks", "*/*/versions/*.h5", lambda path: path.parts[-3], _version),
    Kind("model", "models", "*/*/model.json", _machine_of_folder, _model, "train"),
    Kind("", "models", "*/*/weights.safetensors", _machine_of_folder, _weights, "train"),
    Kind("", "models", "*/*/history.csv", _machine_of_folder, _vouched_for, "train"),
    Kind("", "scores", "*/threshold_*.json", _machine_of_thresholds, _thresholds, "score"),
    Kind("score file", "scores", "*/*_section_*_test.csv", _machine_of_scores, _scores, "score"),
    Kind("checkpoint", "checkpoints", "*/finetune.json", lambda path: "", _checkpoint, "finetune"),
)
