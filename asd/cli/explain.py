"""asd explain: a picture of what makes a recording's score."""

from __future__ import annotations

from pathlib import Path

import click

from asd.cli.output import detector_options, emit, json_option, say, show
from asd.cli.sounds import absent, is_there
from asd.errors import UsageError
from asd.workspace import Workspace


@click.command()
@click.argument("recording", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The picture, .png, .svg or .pdf (default: the recording's name with .png, here).",
)
@detector_options
@json_option
def command(
    recording: Path,
    out: Path | None,
    machine: str | None,
    system: str | None,
    exported: Path | None,
    section: str | None,
) -> None:
    """Draw which parts of a recording (or of its clip, long.wav#t=70) make its score.

    The picture shows the recording beside the nearest normal clip, their difference, and a map:
    how much the score falls when a part (a band of frequencies for a moment) is replaced by that
    of the normal clip, in the log-mel and the wave that the network reads. What a pre-trained
    model heard is not replaced.

    \b
    Example:
      asd explain --machine pump monday.wav --out monday.png
    """
    place = exported or Workspace.find()
    if not is_there(recording):
        raise UsageError(absent(recording))

    from asd.detection.detector import Detector
    from asd.detection.explanation import picture_format

    path = out or Path(f"{recording.name}.png")
    picture_format(path)  # before a model is loaded
    found = Detector(place, machine, system).explain(recording, section)
    found.write(path)
    one = found.prediction
    show(
        f"{recording}: {'anomalous' if one.anomalous else 'normal'}, score {one.score:.4f}"
        f" (threshold {one.threshold:.4f}); compared with {found.nearest} -> {path}"
    )
    for remark in one.remarks:
        say(f"{recording}: {remark.text}")
    if found.passed_over:
        say(
            f"{found.passed_over} nearer clips are nowhere as sound, not in the raw folder nor in"
            " the store (enrolled ones are put into the raw folder by hand)"
        )
    row = {
        "recording": recording,
        "picture": path,
        "section": one.section,
        "score": one.score,
        "threshold": None if one.threshold == float("inf") else one.threshold,
        "anomalous": one.anomalous,
        "start": one.start,
        "normal_clip": found.nearest,
        "normal_score": found.nearest_score,
        "passed_over": found.passed_over,
        "hertz": [float(found.grid.hertz[band]) for band in found.grid.bands],
        "drops": found.drops.tolist(),
    }
    emit([row])
