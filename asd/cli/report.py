"""asd report: tables, pictures and the HTML report, from what the stages before have written."""

from __future__ import annotations

from pathlib import Path

import click

from asd.cli.output import counted, emit, json_option, say
from asd.cli.project import Project
from asd.errors import JobError


@click.command()
@click.option(
    "--metrics",
    "others",
    type=click.Path(path_type=Path),
    multiple=True,
    help="metrics.json of another seed (repeatable): scores become means over the seeds.",
)
@json_option
def command(others: tuple[Path, ...], as_json: bool) -> None:
    """Write data/reports/report.html, results.md, results.csv and figures/.

    report.html is one file: it opens from disk, needs no network and can be sent by mail.

    \b
    Examples:
      asd report
      asd report --metrics seed1/metrics.json --metrics seed2/metrics.json
    """
    from asd.atomic import replacing
    from asd.cli.report_material import gather
    from asd.report.page import document
    from asd.report.pictures import draw_pictures
    from asd.report.tables import results_csv, results_markdown

    project = Project.find()
    material = gather(project, others)
    texts = {
        "results.md": results_markdown(material.results, material.dataset, material.with_paper),
        "results.csv": results_csv(material.results, material.with_paper),
        "report.html": document(material),
    }
    for name, text in texts.items():
        with replacing(project.reports / name) as beside:
            beside.write_text(text, encoding="utf-8", newline="")
    folder = project.reports / "figures"
    try:
        pictures = draw_pictures(folder, material)
    except OSError as error:
        raise JobError(f"{folder}: cannot be written: {error.strerror or error}") from error
    size = len(texts["report.html"].encode()) / 1e6
    say(
        f"report: {counted(len(material.scores), 'system')} on"
        f" {counted(len(material.machines), 'machine')}, {counted(len(pictures), 'picture')}"
        f" -> {project.reports / 'report.html'} ({size:.1f} MB), results.md, results.csv, figures",
        as_json,
    )
    paths = [*(project.reports / name for name in texts), *pictures]
    emit([{"file": path.as_posix(), "bytes": path.stat().st_size} for path in paths], as_json)
