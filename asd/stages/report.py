"""report: tables, pictures and the HTML report, from what the stages before have written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from asd.artifact import Request, claimed, lack, making, prune, read_record
from asd.digest import sha256_file, sha256_json
from asd.errors import AsdError, UsageError
from asd.stages.check import check
from asd.stages.evaluate import NAME as FIGURES
from asd.stages.evaluate import FiguresRequest, evaluated
from asd.stages.index import record_digest
from asd.workspace import Workspace

PAGE = "report.html"
NAME = "report.json"


class ReportRequest(Request):
    """Everything that decides a report.

    Attributes:
        version: raised whenever the same request would give another page.
        params: the digest of all params.
        systems: those that the reader chose.
        figures: the digest of the official numbers.
        others: the digests of the figures of further seeds.
        index: by machine, the digest of the index.
        records: the digest of the records of all models, banks and scores that are shown.
        store: the digest of the identities of all shards.
    """

    kind: ClassVar[str] = "report"
    verb: ClassVar[str] = "report"

    version: int = 2
    params: str
    systems: tuple[str, ...] = ()
    figures: str
    others: tuple[str, ...]
    index: dict[str, str]
    records: str
    store: str


@dataclass(frozen=True)
class Written:
    """What a report consists of: how much it shows, and the files, the page first."""

    systems: int
    machines: int
    pictures: int
    paths: tuple[Path, ...]


def run(workspace: Workspace, others: Sequence[Path] = (), systems: Sequence[str] = ()) -> Written:
    """Write data/reports/report.html, results.md, results.csv and figures/.

    A report that is there already of the same figures, artifacts and params is kept.

    Args:
        workspace: the workspace, evaluated.
        others: ``metrics.json`` of further seeds: scores become means over the seeds.
        systems: systems whose curves are shown beside those of the best ones.

    Raises:
        UsageError: the figures, an index, the scores or a bank is missing; the message names the
            verb to run first.
        JobError: a file is damaged, or the report cannot be written.
    """
    check(workspace)
    asked = request(workspace, others, systems)
    path = workspace.reports / NAME
    with claimed(path, asked) as wanted:
        if wanted:
            _write(workspace, asked, others)
    facts = read_record(path).facts
    return Written(**facts["counts"], paths=tuple(workspace.reports / n for n in facts["names"]))


def _write(workspace: Workspace, asked: ReportRequest, others: Sequence[Path]) -> None:
    """Write the page that the params ask for, its pictures, and the tables."""
    from asd.report.tables import DATASET, results_csv, results_markdown
    from asd.stages import material

    name = workspace.params.dataset.name
    results, machines = material.figures_of(workspace, others)
    if workspace.params.report.page == "recordings":
        from asd.report import recordings
        from asd.stages.recordings import gather

        listened = gather(workspace, machines)
        page, pictures = recordings.document(name, listened)
        counts = {"systems": len({one.system for one in listened}), "machines": len(listened)}
    else:
        from asd.report import challenge

        shown = material.gather(workspace, others, asked.systems)
        page, pictures = challenge.document(shown)
        counts = {"systems": len(shown.scores), "machines": len(shown.machines)}
    with making(workspace.reports / NAME, asked, "matplotlib") as made:
        made.text(PAGE, page)
        made.text("results.md", results_markdown(results, name, name == DATASET))
        made.text("results.csv", results_csv(results, name == DATASET))
        for picture, text in pictures.items():
            made.text(f"figures/{picture}.svg", text)
        made.facts |= {"counts": {**counts, "pictures": len(pictures)}, "names": made.names}
    # DVC wants the outputs of a stage to be there, where nothing is drawn too.
    (workspace.reports / "figures").mkdir(exist_ok=True)
    prune(workspace.reports / "figures", lambda one: one.stem in pictures)


def request(
    workspace: Workspace, others: Sequence[Path] = (), systems: Sequence[str] = ()
) -> ReportRequest:
    """Return what a report would be made of now.

    Raises:
        UsageError: there are no figures, or no index, or no such system.
    """
    from asd.store import FeatureStore
    from asd.store.shard import Shard

    params = workspace.params
    store = FeatureStore(workspace.features)
    figures = read_record(workspace.reports / FIGURES, FiguresRequest)
    machines = evaluated(workspace, figures)
    paths = [path for one in machines for path in (store.root / one).rglob("section_*.h5")]
    for path in others:
        if not path.is_file():
            raise UsageError(f"{path}: no such file; give metrics.json of another seed")
    return ReportRequest(
        params=sha256_json(params.model_dump(mode="json")),
        systems=workspace.systems(systems) if systems else (),
        figures=figures.digest,
        others=tuple(sha256_file(path) for path in others),
        index={machine: record_digest(workspace, machine) for machine in machines},
        records=sha256_json(_digests(workspace, machines)),
        store=sha256_json(_told(store.root, paths, lambda path: Shard.open(path).identity)),
    )


def lacks(workspace: Workspace) -> str:
    """Say why the report is not of the present figures and params; ``""`` where it is.

    A report of several seeds is not judged by their figures. Recordings are those of the index.
    """
    path = workspace.reports / NAME
    if not path.exists():
        return "missing"
    try:
        made = read_record(path).request
        given = {"others": tuple(made["others"]), "systems": tuple(made.get("systems", ()))}
        asked = request(workspace).model_copy(update=given)
        return lack(path, asked)
    except (AsdError, LookupError) as error:
        return str(error).splitlines()[0]


def _digests(workspace: Workspace, machines: Sequence[str]) -> dict[str, str]:
    """Return the digests of all records that a report shows something of."""
    models, found = workspace.models(), dict[str, str]()
    for machine in machines:
        paths = [
            *(workspace.model_record(model, machine) for model in models),
            *(workspace.bank_record(model, machine) for model in models),
            *(workspace.score_record(system, machine) for system in workspace.systems()),
        ]
        records = [path for path in paths if path.exists()]
        found |= _told(workspace.work, records, lambda path: read_record(path).digest)
        # Recordings are shown as they are predicted, with what was enrolled since; and how many of
        # the known faults are found.
        for folder in ("enrolled", "faults", "thresholds"):
            below = sorted((workspace.data / folder / machine).rglob("*.json"))
            found |= _told(workspace.data, below, sha256_file)
    return found


def _told(root: Path, paths: Iterable[Path], digest: Callable[[Path], str]) -> dict[str, str]:
    """Return the digests of files below a root, or why there is none, by path."""
    found = {}
    for path in paths:
        try:
            told = digest(path)
        except AsdError as error:
            told = str(error)
        found[path.relative_to(root).as_posix()] = told
    return found
