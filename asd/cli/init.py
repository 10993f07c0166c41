"""asd init: write pipeline/params.yaml from a profile."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import click

from asd.cli.output import counted
from asd.cli.project import PARAMS
from asd.config import load_params
from asd.errors import UsageError, unknown_name

PROFILES = Path("pipeline") / "profiles"
_COMMON = "common"
# What is run is one list: a profile that names its own models or systems means no others.
_WHOLE = ("models", "systems")


@click.command()
@click.argument("profile")
@click.option(
    "--raw",
    type=click.Path(path_type=Path),
    help="Folder of your recordings, one folder a machine below it (for `folder`).",
)
def command(profile: str, raw: Path | None) -> None:
    """Write pipeline/params.yaml for PROFILE; the file that was there is kept as params.yaml.old.

    \b
    Profiles: demo, dcase2020 to dcase2025, folder (your own recordings).
    Examples:
      asd init demo
      asd init folder --raw recordings
    """
    known = sorted(path.stem for path in PROFILES.glob("*.yaml") if path.stem != _COMMON)
    if not known:
        raise UsageError(f"{PROFILES}: no profiles here; run this in the project's folder")
    if profile not in known:
        raise unknown_name("profile", profile, known)
    values = _load(PROFILES / f"{_COMMON}.yaml")
    _merge(values, _load(PROFILES / f"{profile}.yaml"))
    found = _own_recordings(profile, raw)
    _merge(values, {"dataset": found})
    old = _write(values)
    machines = load_params(PARAMS).dataset.machines
    click.echo(f"{PARAMS}: profile {profile}, {counted(len(machines), 'machine')}{old}")
    click.echo("next: dvc repro")


def _own_recordings(profile: str, raw: Path | None) -> dict[str, Any]:
    """Return where the recordings are and which machines there are, if the user gave a folder."""
    if raw is None:
        if profile == "folder":
            raise UsageError("the folder profile needs your recordings: asd init folder --raw DIR")
        return {}
    from asd.clips.index import find_machines

    machines = find_machines(raw)
    for machine in machines:
        click.echo(f"found {machine}: {counted(_recordings(raw / machine), 'recording')}")
    return {"raw": Path(os.path.relpath(raw)).as_posix(), "machines": machines}


def _recordings(folder: Path) -> int:
    from asd.clips.audio import SUFFIXES

    return sum(path.suffix.lower() in SUFFIXES for path in folder.rglob("*"))


def _load(path: Path) -> Any:
    from ruamel.yaml import YAML

    return YAML().load(path.read_text(encoding="utf-8"))


def _merge(into: MutableMapping[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        mergeable = isinstance(value, Mapping) and isinstance(into.get(key), MutableMapping)
        if mergeable and key not in _WHOLE:
            _merge(into[key], value)
        else:
            into[key] = value


def _write(values: Any) -> str:
    """Write the params file and return a note on what became of the one before."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 120
    text = io.StringIO()
    yaml.dump(values, text)
    note = ""
    if PARAMS.exists() and PARAMS.read_text(encoding="utf-8") != text.getvalue():
        PARAMS.replace(PARAMS.with_suffix(".yaml.old"))
        note = f"; the one before is {PARAMS.with_suffix('.yaml.old')}"
    PARAMS.write_text(text.getvalue(), encoding="utf-8")
    return note
