"""The command line: one small file per verb, imported only when the verb is used."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from asd import __version__
from asd.errors import AsdError, unknown_name

# verb -> (module, one line for the list of commands), in the order of the work.
VERBS: dict[str, tuple[str, str]] = {
    "init": ("asd.cli.init", "Write pipeline/params.yaml for a data set or your own folder."),
    "download": ("asd.cli.download", "Fetch a challenge data set from its owners."),
    "synth": ("asd.cli.synth", "Synthesise the demo's machine sound."),
    "index": ("asd.cli.index", "List the recordings of a raw folder, and what is wrong with them."),
    "finetune": ("asd.cli.finetune", "Fine-tune the pre-trained model on the training clips."),
    "extract": ("asd.cli.extract", "Compute features into the store, and only what is missing."),
    "train": ("asd.cli.train", "Train models from stored features."),
    "embed": ("asd.cli.embed", "Compute embedding banks with trained models."),
    "score": ("asd.cli.score", "Score the test clips against the banks."),
    "evaluate": ("asd.cli.evaluate", "Compute the official numbers of score files."),
    "ablate": ("asd.cli.ablate", "Run systems over several seeds and write the table."),
    "submit": ("asd.cli.submit", "Write and check a package for the challenge."),
    "report": ("asd.cli.report", "Write tables, pictures and the report."),
    "predict": ("asd.cli.predict", "Score any recordings with a trained system."),
    "explain": ("asd.cli.explain", "Draw which parts of a recording make its score."),
    "enroll": ("asd.cli.enroll", "Add normal recordings to the banks, without training."),
    "verify": ("asd.cli.verify", "Check that everything stored is what was written."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called or their help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return the command ``name``."""
        if name not in VERBS:
            raise unknown_name("command", name, VERBS)
        command: click.Command = import_module(VERBS[name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table above, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="asd")
def cli() -> None:
    """Hear when a machine sounds wrong: anomalous sound detection over a feature store.

    Each command reads the files that the one before it wrote. `dvc repro` runs them all.
    """


def main() -> None:
    """Run the command line; the package's own errors become one line and an exit code."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except AsdError as error:
        click.echo(f"asd: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"asd: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("asd: interrupted; run it again to go on from here", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output (head, say) has enough.
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        click.echo(f"asd: {name}{error.strerror or ' '.join(str(error).split())}", err=True)
        sys.exit(1)
