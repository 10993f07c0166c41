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
_RULES_OF = {"dcase2020": "2020", "dcase2021": "2021", "dcase2022": "2022", "folder": "2020"}


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
    """Return where the recordings are, which machines there are and by whose rules they count."""
    if profile != "folder":
        if raw is not None:
            raise UsageError(f"--raw is for your own recordings: asd init folder --raw {raw}")
        return {}
    if raw is None:
        raise UsageError("the folder profile needs your recordings: asd init folder --raw DIR")
    from asd.clips.index import detect_layout, find_machines
    from asd.clips.scan import find_recordings, machine_folder

    machines = find_machines(raw)
    layouts = set()
    for machine in machines:
        recordings = find_recordings(machine_folder(raw, machine))
        layouts.add(detect_layout(recordings))
        click.echo(f"found {machine}: {counted(len(recordings), 'recording')}")
    rules = {_RULES_OF[layout] for layout in layouts}
    return {
        "raw": Path(os.path.relpath(raw)).as_posix(),
        "machines": machines,
        # Domains count where the names of all machines tell them.
        "rules": rules.pop() if len(rules) == 1 else "2020",
    }


def _load(path: Path) -> Any:
    from ruamel.yaml import YAML

    return YAML().load(path.read_text(encoding="utf-8"))


def _merge(into: MutableMapping[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        mergeable = isinstance(value, Mapping) and isinstance(into.get(key), MutableMapping)
        if value is None and isinstance(into.get(key), Mapping):
            del into[key]
        elif mergeable and key not in _WHOLE:
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
