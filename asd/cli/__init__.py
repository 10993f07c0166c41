"""The command line: one small file per verb, imported only when the verb is used."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from copy import copy
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from asd.errors import AsdError, UsageError, refusal, unknown_name
from asd.progress import NORMAL, QUIET, VERBOSE, set_verbosity, verbosity
from asd.version import __version__

# One line for the list of commands, in the order of the work; a verb is a module of its name.
VERBS = {
    "init": "Write pipeline/params.yaml for a data set or your own folder.",
    "download": "Fetch a challenge data set from its owners.",
    "synth": "Synthesise the demo's machine sound.",
    "index": "List the recordings of a raw folder, and what is wrong with them.",
    "finetune": "Fine-tune the pre-trained model on the training clips.",
    "extract": "Compute features into the store, and only what is missing.",
    "train": "Train models from stored features.",
    "embed": "Compute embedding banks with trained models.",
    "score": "Score the test clips against the banks.",
    "select": "Choose what scores each machine best, without labels.",
    "evaluate": "Compute the official numbers of score files.",
    "ablate": "Run systems over several seeds and write the table.",
    "ladder": "Run systems of rising strength over seeds, one change a row.",
    "submit": "Write and check a package for the challenge.",
    "report": "Write tables, pictures and the report.",
    "predict": "Score any recordings with a trained system.",
    "explain": "Draw which parts of a recording make its score.",
    "enroll": "Add normal recordings to the banks, without training.",
    "watch": "Score what arrives, day and night, and tell of alarms.",
    "export": "Write a detector as one file that works anywhere.",
    "feedback": "Say of recordings that they are normal or a fault.",
    "threshold": "Show and set how many false alarms are accepted.",
    "check": "Check every name and setting in the params.",
    "status": "Say what is there, out of date or missing, and why.",
    "store": "List the feature store, or say what is in one feature of it.",
    "verify": "Check that everything stored is what was written.",
    "completion": "Print the script that completes commands in a shell.",
}


_STOPPING = (signal.SIGTERM, signal.SIGHUP)


def _speak(ctx: click.Context, option: click.Parameter, given: bool) -> None:
    """Set how much the command says, until its context ends."""
    level = QUIET if option.name == "quiet" else VERBOSE
    if not given:
        return
    if verbosity() not in (NORMAL, level):
        raise UsageError("--quiet and --verbose: give one of them")
    ctx.call_on_close(partial(set_verbosity, verbosity()))
    set_verbosity(level)


def _speech_options() -> list[click.Parameter]:
    """Return the options that every command has, and the group itself."""
    return [
        click.Option(
            names, is_flag=True, expose_value=False, is_eager=True, callback=_speak, help=text
        )
        for names, text in (
            (["-q", "--quiet"], "Say nothing but results and errors."),
            (["-v", "--verbose"], "Say more: each shard and epoch, and why it is computed."),
        )
    ]


def _speaking(command: click.Command) -> click.Command:
    """Return a command, and all below it, with the options that every command has."""
    found = copy(command)
    found.params = [*command.params, *_speech_options()]
    if isinstance(found, click.Group):
        found.commands = {name: _speaking(below) for name, below in found.commands.items()}
    return found


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called or their help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return the command ``name``."""
        if name not in VERBS:
            if ctx.resilient_parsing:  # a key was pressed in a shell that completes
                return None
            raise unknown_name("command", name, VERBS)
        return _speaking(import_module(f"asd.cli.{name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table above, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([*VERBS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="asd")
def cli() -> None:
    """Hear when a machine sounds wrong: anomalous sound detection over a feature store.

    Each command reads the files that the one before it wrote. `dvc repro` runs them all.
    """


cli.params.extend(_speech_options())


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let what stops a process end it as Ctrl-C does, so that nothing half-made is left behind.

    A signal that is ignored, as `nohup` has it, stays so.
    """

    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    known = [one for one in _STOPPING if signal.getsignal(one) == signal.SIG_DFL]
    for one in known:
        signal.signal(one, stop)
    try:
        yield
    finally:
        for one in known:
            signal.signal(one, signal.SIG_DFL)


def _undisturbed() -> AbstractContextManager[None]:
    """Watch what a stage that DVC runs depends on; without DVC nothing is imported for it."""
    if not os.environ.get("DVC_STAGE"):
        return nullcontext()
    from asd.stages.undisturbed import undisturbed

    return undisturbed()


def _open_standard() -> None:
    """Open the standard streams that whoever started the process had closed: on nothing.

    Otherwise the next file that is opened has the number of one, and is written to by libraries.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is not None:
            continue
        try:
            os.fstat(number)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
        setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _collect_seldom() -> None:
    """Let the collector of cycles run less often, and not at the end.

    What imports make stays until the process ends: with torch, looking through it took a fifth of a
    second of the import and another one of the end.
    """
    gc.set_threshold(10_000)
    atexit.register(gc.freeze)


def _place_of(error: OSError) -> str:
    """Return what the system refused, to begin a line with; the standard output has no name."""
    if error.filename:
        return f"{error.filename}: "
    import traceback

    *_, (last, _) = traceback.walk_tb(error.__traceback__)
    printing = last.f_code is click.echo.__code__
    return "standard output: cannot be written: " if printing else ""


def main() -> None:
    """Run the command line; the package's own errors become one line and an exit code."""
    _open_standard()
    _collect_seldom()
    try:
        with _interruptible(), _undisturbed():
            # In a context of its own: what an option sets ends with the command, whatever happens.
            code: Any = copy_context().run(partial(cli.main, standalone_mode=False))
        sys.exit(code or 0)
    except AsdError as error:
        click.echo(f"asd: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"asd: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        click.echo("asd: interrupted; run it again to go on from here", err=True)
        number, *_ = (*(error.__cause__ or error).args, signal.SIGINT)
        sys.exit(128 + number)
    except BrokenPipeError:
        # The reader of our output (head, say) has enough.
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        click.echo(f"asd: {_place_of(error)}{refusal(error)}", err=True)
        sys.exit(1)
