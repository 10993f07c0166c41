"""asd predict: scores and decisions for recordings outside the data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from asd.cli.output import detector_options
from asd.cli.prediction_output import Style, printer
from asd.cli.sounds import Complaints, find_sounds, read_sounds, sounds_argument
from asd.errors import JobError, UsageError
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.detection.detector import Detector
    from asd.detection.recording import Recording

_ANOMALIES = 3
_CLIPS_AT_ONCE = 32


@click.command()
@sounds_argument
@detector_options
@click.option(
    "--pooling",
    type=click.Choice(["max", "mean"]),
    help="How the clips of a long recording make one score (default: score.windows of the params).",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--fail-on-anomaly", is_flag=True, help="Exit with 3 if anything is anomalous.")
@click.option(
    "--explain",
    "pictures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw each recording into DIR, as asd explain does.",
)
def command(
    sounds: tuple[str, ...],
    machine: str | None,
    system: str | None,
    exported: Path | None,
    section: str | None,
    pooling: Literal["max", "mean"] | None,
    as_json: bool,
    as_csv: bool,
    fail_on_anomaly: bool,
    pictures: Path | None,
) -> int:
    """Score recordings: a higher score means a more anomalous sound.

    Needs the model and the bank, not the data that they were made from. A recording that is longer
    than a clip is cut into clips and gets the score of the most anomalous one (--pooling mean: the
    mean). p is the share of normal recordings of as many clips that score as high, and the
    threshold is for as many: score.false_alarm_rate is that of recordings, whatever their length.
    Without --section a recording is compared with each section and gets the lowest score.

    Exits with 1 if a recording could not be used (a line on standard error says why, the others are
    scored), with 2 for wrong use, such as paths that do not exist, and with --fail-on-anomaly with
    3 if anything is anomalous.

    \b
    Examples:
      asd predict --machine pump monday.wav
      asd predict --machine pump recordings --csv > scores.csv
      find . -name '*.flac' | asd predict --machine pump - --fail-on-anomaly
      asd predict --machine pump 'long.wav#t=70'
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv: give one of them")
    for name in sounds if as_json or as_csv else ():
        if name.lower().endswith((".csv", ".json")) and not Path(name).exists():
            raise UsageError(f"--csv and --json print on standard output: add '> {name}'")
    place = exported or Workspace.find()
    if isinstance(place, Workspace):
        place.machine(machine)  # a slip in its name is told before one in the recordings
    complaints = Complaints()
    paths = find_sounds(sounds, complaints)
    if not paths:  # a slip of the keys should not wait for a model
        if as_json:
            click.echo("[]")
        return complaints.exit_code

    from asd.detection.detector import Detector

    detector = Detector(place, machine, system)
    style: Style = "csv" if as_csv else "json" if as_json else "table"
    show = printer(style, [str(path) for path in paths], 1 if section else len(detector.sections))
    draw = _drawer(detector, pictures, complaints)
    anomalous = 0
    for recordings in _groups(paths, detector, complaints):
        predictions = detector.predictions(recordings, section, pooling)
        for recording, found in zip(recordings, predictions, strict=True):
            show.one(found)
            draw(recording, section)
            anomalous += found.anomalous
    show.end(f"{detector.machine}, system {detector.system}")
    if fail_on_anomaly and anomalous:
        return _ANOMALIES
    return complaints.exit_code


def _groups(
    paths: Sequence[Path], detector: Detector, complaints: Complaints
) -> Iterator[list[Recording]]:
    """Yield what is scored together."""
    group: list[Recording] = []
    for recording in read_sounds(paths, detector.signal, detector.limits, complaints):
        group.append(recording)
        # Long recordings are many clips each: what is held at once is bounded by samples.
        if sum(len(one.samples) for one in group) >= _CLIPS_AT_ONCE * detector.signal.length:
            yield group
            group = []
    if group:
        yield group


def _drawer(
    detector: Detector, folder: Path | None, complaints: Complaints
) -> Callable[[Recording, str | None], None]:
    """Return what draws a recording into a folder; nothing where no folder is given."""
    if folder is None:
        return lambda recording, section: None

    def draw(recording: Recording, section: str | None) -> None:
        try:
            found = detector.explain([recording], section)
        except JobError as error:
            complaints.add(f"{recording.name}: {error}")
            return
        # The path, flattened: recordings of several folders may share a name.
        name = "_".join(part for part in Path(recording.name).parts if part not in ("/", ".."))
        found.write(folder / f"{name}.png")

    return draw
