"""`-q`, `-v` and `--json`, which every command has in the same form, and completion."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from asd.cli import VERBS, cli


def _commands() -> dict[str, click.Command]:
    found = {}
    for verb in VERBS:
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        below = command.commands if isinstance(command, click.Group) else {"": command}
        found |= {f"{verb} {name}".strip(): one for name, one in below.items()}
    return found


@pytest.mark.parametrize("name", _commands())
def test_every_command_has_the_common_options(name: str) -> None:
    """A shell's script is no result that JSON could hold."""
    options = {o for param in _commands()[name].params for o in param.opts}
    assert {"-q", "--quiet", "-v", "--verbose"} <= options
    assert "--json" in options or name == "completion"


def test_quiet(project: Path, asd: Callable) -> None:
    for verb in ("index", "extract", "train"):
        done = asd("-q", verb)
        assert (done.code, done.out, done.err) == (0, "", ""), verb
    for verb in ("embed", "score", "evaluate"):
        done = asd(verb, "-q")
        assert (done.code, done.out, done.err) == (0, "", ""), verb
    assert asd("-q", "extract", "--machine", "pmp").err.startswith("asd: unknown machine 'pmp'")


def test_quiet_verify_still_tells_of_damage(project: Path, asd: Callable) -> None:
    path = Path("data/features/pump/wave/section_00_train.h5")
    path.write_bytes(path.read_bytes()[:300])
    done = asd("verify", "-q")
    assert done.code == 1
    (line,) = done.out.splitlines()
    assert line.startswith(f"{path}: ")


def test_verbose_says_what_is_computed_and_why(project: Path, asd: Callable) -> None:
    params = project / "pipeline" / "params.yaml"
    params.write_text(
        params.read_text()
        .replace("hop: 128, mels", "hop: 64, mels")
        .replace("epochs: 2", "epochs: 3")
    )
    path = "data/features/pump/logmel/section_00_test.h5"
    said = asd("extract", "-v", "--feature", "logmel").err
    assert f"{path}: computed, as it is other settings (config.hop 128 -> 64)\n" in said
    assert "pump logmel: 26 clips in " in said
    said = asd("-v", "train", "--model", "mel").err
    assert "pump mel: trained, as it is: other settings (another inputs.logmel.00, " in said
    assert "pump logmel: epoch 3 of 3, loss " in said
    assert asd("train", "--model", "mel").err == "", "verbose for ever"


def test_a_mistake_does_not_outlive_its_command(project: Path, asd: Callable) -> None:
    asd("-q", "-v", "index")
    assert asd("index").out


def test_one_of_both(project: Path, asd: Callable) -> None:
    for arguments in (("-q", "index", "-v"), ("index", "-q", "-v"), ("-q", "-v", "index")):
        done = asd(*arguments)
        assert (done.code, done.err) == (2, "asd: --quiet and --verbose: give one of them\n")


def _completed(line: str) -> list[str]:
    """Return what the shell offers at the end of a line."""
    words = line.split(" ")
    environment = os.environ | {
        "_ASD_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    code = "import sys; sys.argv = ['asd']; from asd.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "| torch" not in done.stderr, "torch is imported for a key press"
    assert "Traceback" not in done.stderr, done.stderr
    return [found.partition(",")[2] for found in done.stdout.splitlines() if found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("asd emb", ["embed"]),
        ("asd predict --machine ", ["pump"]),
        ("asd score --system c", ["cosine"]),
        ("asd train --model ", ["both", "mel"]),
        ("asd store ls --feature w", ["wave"]),
        ("asd store in", ["info"]),
    ],
)
def test_names_complete(project: Path, line: str, expected: list[str]) -> None:
    assert _completed(line) == expected


def test_profiles_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _completed("asd init dcase2020") == ["dcase2020"]
    assert _completed("asd score --system ") == []
    assert "score" in _completed("asd nothing s")  # no traceback in the middle of a line


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(asd: Callable, shell: str) -> None:
    done = asd("completion", shell)
    assert done.code == 0
    assert f"_ASD_COMPLETE={shell}_complete" in done.out
