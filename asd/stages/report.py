"""report: tables, pictures and the HTML report, from what the stages before have written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from asd.artifact import Request, is_current, lack, making, prune, read_any, read_record
from asd.digest import sha256_file, sha256_json
from asd.errors import AsdError, UsageError
from asd.stages import index
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
    from asd.report.tables import DATASET, results_csv, results_markdown
    from asd.stages.material import figures_of

    asked = request(workspace, others, systems)
    path = workspace.reports / NAME
    if is_current(path, asked):
        record = read_any(path)
        counts, names = record.facts["counts"], record.facts["names"]
        return Written(**counts, paths=tuple(workspace.reports / name for name in names))
    results, evaluated_machines = figures_of(workspace, others)
    page, pictures, counts = _page(workspace, evaluated_machines, others, asked.systems)
    dataset = workspace.params.dataset.name
    with making(path, asked, "matplotlib") as made:
        made.text(PAGE, page)
        made.text("results.md", results_markdown(results, dataset, dataset == DATASET))
        made.text("results.csv", results_csv(results, dataset == DATASET))
        for name, text in pictures.items():
            made.text(f"figures/{name}.svg", text)
        counts |= {"pictures": len(pictures)}
        made.facts |= {"counts": counts, "names": made.names}
    # DVC wants the outputs of a stage to be there, where nothing is drawn too.
    (workspace.reports / "figures").mkdir(exist_ok=True)
    prune(workspace.reports / "figures", lambda one: one.stem in pictures)
    return Written(**counts, paths=tuple(workspace.reports / name for name in made.names))


def _page(
    workspace: Workspace, of: Sequence[str], others: Sequence[Path], systems: Sequence[str]
) -> tuple[str, dict[str, str], dict[str, int]]:
    """Return the page that the params ask for, its pictures by name, and how much it shows.

    Args:
        workspace: the workspace, evaluated.
        of: the machines that the figures are of.
        others, systems: as of :func:`run`.
    """
    params = workspace.params
    if params.report.page == "recordings":
        from asd.report.recordings import document as recordings
        from asd.stages.recordings import gather as listen

        machines = listen(workspace, of)
        counts = {"systems": len({one.system for one in machines}), "machines": len(machines)}
        return *recordings(params.dataset.name, machines), counts
    from asd.report.challenge import document
    from asd.stages.material import gather

    material = gather(workspace, others, systems)
    counts = {"systems": len(material.scores), "machines": len(material.machines)}
    return *document(material), counts


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
    shards: dict[str, str] = {}
    figures = read_record(workspace.reports / FIGURES, FiguresRequest)
    machines = evaluated(workspace, figures)
    for machine in machines:
        for path in sorted((store.root / machine).rglob("section_*.h5")):
            try:
                shards[path.relative_to(store.root).as_posix()] = Shard.open(path).identity
            except AsdError as error:
                shards[path.relative_to(store.root).as_posix()] = str(error)
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
        store=sha256_json(shards),
    )


def lacks(workspace: Workspace) -> str:
    """Say why the report is not of the present figures and params; ``""`` where it is.

    A report of several seeds is not judged by their figures. It lets one hear recordings, which
    must be those of the index.
    """
    path = workspace.reports / NAME
    if not path.exists():
        return "missing"
    try:
        record = read_record(workspace.reports / FIGURES, FiguresRequest)
        if any(index.lacks(workspace, machine) for machine in evaluated(workspace, record)):
            return "other recordings, or other settings of the index"
        made = read_any(path).request
        given = {"others": tuple(made["others"]), "systems": tuple(made.get("systems", ()))}
        asked = request(workspace).model_copy(update=given)
        return lack(path, asked)
    except (AsdError, LookupError) as error:
        return str(error).splitlines()[0]


def _digests(workspace: Workspace, machines: Sequence[str]) -> dict[str, str]:
    """Return the digests of all records that a report shows something of."""
    found = {}
    for machine in machines:
        paths = [
            *(workspace.model_record(model, machine) for model in workspace.models()),
            *(workspace.bank_record(model, machine) for model in workspace.models()),
            *(workspace.score_record(system, machine) for system in workspace.systems()),
        ]
        for path in paths:
            if path.exists():
                try:
                    found[path.relative_to(workspace.work).as_posix()] = read_any(path).digest
                except AsdError as error:
                    found[path.relative_to(workspace.work).as_posix()] = str(error)
        # Recordings are shown as they are predicted, with what was enrolled since; and how many of
        # the known faults are found.
        for folder in ("enrolled", "faults", "thresholds"):
            for path in sorted((workspace.data / folder / machine).rglob("*.json")):
                found[path.relative_to(workspace.data).as_posix()] = sha256_file(path)
    return found
