"""asd watch: on duty at a folder or at a live sound."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asd.cli.output import detector_options
from asd.errors import UsageError, unknown_name
from asd.progress import QUIET, verbosity
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.detection.arrivals import Arrival, Form
    from asd.detection.detector import Detector

_MEGABYTE = 1_000_000


@click.command()
@click.argument("source", metavar="DIR|-")
@detector_options
@click.option("--existing", is_flag=True, help="Score what is in DIR at the start too.")
@click.option(
    "--settle",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a file has to rest before it is read.",
)
@click.option("--rate", type=click.IntRange(1), help="Of '-': samples a second.")
@click.option("--channels", type=click.IntRange(1), default=1, show_default=True, help="Of '-'.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["s16le", "s32le", "f32le"]),
    default="s16le",
    show_default=True,
    help="Of '-': the raw samples.",
)
@click.option(
    "--alarm",
    "share",
    default="1/1",
    show_default=True,
    metavar="K/N",
    help="So many of the last recordings make an alarm, or another state.",
)
@click.option(
    "--clear", type=float, metavar="SCORE", help="An alarm lasts until scores fall to it."
)
@click.option(
    "--interval",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two messages of one state.",
)
@click.option(
    "--expect",
    type=click.FloatRange(0),
    default=0.0,
    metavar="SECONDS",
    help="No recording for so long is a state: no sound.",
)
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="JSON lines go here.")
@click.option(
    "--log-size",
    type=click.FloatRange(0.001),
    default=10.0,
    metavar="MB",
    show_default=True,
    help="After which the log rotates; five older ones are kept.",
)
@click.option("--on-alarm", metavar="COMMAND", help="Run with each message as JSON on its input.")
@click.option("--webhook", metavar="URL", help="Post each message there as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def command(
    source: str,
    machine: str | None,
    system: str | None,
    exported: Path | None,
    section: str | None,
    as_json: bool,
    log: Path | None,
    log_size: float,
    on_alarm: str | None,
    webhook: str | None,
    **given: Any,
) -> None:
    """Score recordings as they arrive in DIR, or sound from a pipe (-), until it is stopped.

    A line a recording, and one whenever the machine's state changes: normal, alarm, no sound, or
    unlike training, where the recording and not the machine is another. A change is a message for
    --on-alarm and --webhook (tried again for minutes); neither holds up the scoring. What is
    enrolled, learned, set or scored meanwhile is taken up.

    \b
    Examples:
      asd watch --machine pump incoming --alarm 2/3 --log pump.jsonl
      arecord -t raw -f S16_LE -r 16000 | asd watch --machine pump - --rate 16000
      ffmpeg -i rtsp://camera -f s16le -ac 1 -ar 16000 - | asd watch - --rate 16000
    """
    from asd.detection.detector import Detector
    from asd.detection.watch import Messenger, RowLog, Rule, Watch, command_of
    from asd.detection.watch import webhook as post_to

    needed, of = _share(given["share"])
    rule = Rule(needed, of, given["clear"], given["interval"], given["expect"])
    if source == "-" and given["rate"] is None:
        raise UsageError("-: give --rate, the samples a second of the raw sound")
    if source != "-" and not Path(source).is_dir():
        raise UsageError(f"{source}: no such folder")
    detector = Detector(exported or Workspace.find(), machine, system)
    if section is not None and section not in detector.sections:
        raise unknown_name("section", section, detector.sections)
    kept = RowLog(log, int(log_size * _MEGABYTE), 5) if log else None
    messengers = [Messenger(command_of(on_alarm))] if on_alarm else []
    messengers += [Messenger(post_to(webhook))] if webhook else []

    def show(row: dict[str, Any]) -> None:
        if kept:
            kept.write(row)
        if as_json:
            click.echo(json.dumps(row))
        elif verbosity() > QUIET or row["event"] != "recording":
            click.echo(_line(row))

    def tell(row: dict[str, Any]) -> None:
        for messenger in messengers:
            messenger(row)

    watch = Watch(detector, rule, show, tell, section)
    if verbosity() > QUIET:
        click.echo(f"watching {source}; Ctrl-C ends", err=True)
    try:
        watch.run(_arrivals(source, detector, given), given["rate"] or 0)
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        for messenger in messengers:
            messenger.close(5.0)


def _share(text: str) -> tuple[int, int]:
    needed, _, of = text.partition("/")
    if not (needed.isdecimal() and of.isdecimal() and 1 <= int(needed) <= int(of)):
        raise UsageError(f"--alarm {text}: give K/N, such as 2/3")
    return int(needed), int(of)


def _arrivals(source: str, detector: Detector, given: dict[str, Any]) -> Iterator[Arrival | None]:
    from asd.detection import arrivals

    if source != "-":
        yield from arrivals.arrivals(
            Path(source), settle=given["settle"], existing=given["existing"]
        )
        return
    pipe: Any = sys.stdin.buffer
    if pipe.peek(4)[:4] == b"RIFF":
        raise UsageError("-: a WAV file comes, and raw samples are asked for: arecord -t raw")
    form: Form = given["form"]
    seconds = detector.signal.length / detector.signal.sample_rate
    yield from arrivals.stream(pipe, given["rate"], given["channels"], form, seconds)


def _line(row: dict[str, Any]) -> str:
    """Return a row for people."""
    name = row.get("recording", "")
    if row["event"] == "recording":
        limit = row.get("threshold")
        score = f"{row['score']:.4f} (threshold {limit:.4f})" if limit is not None else ""
        parts = [name, score, row["decision"], row["reason"]]
    else:
        parts = [
            row["state"].upper() if row["event"] == "state" else row["event"],
            name,
            row["reason"],
        ]
    return "  ".join([row["time"], *filter(None, parts)])
