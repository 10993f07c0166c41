"""asd init: write pipeline/params.yaml from a profile."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import click

from asd.cli.completion import profiles
from asd.cli.output import counted, emit, json_option, say
from asd.config import IndexConfig, settings
from asd.errors import UsageError, unknown_name
from asd.params import load_params
from asd.workspace import PARAMS

PROFILES = Path("pipeline") / "profiles"
_COMMON = "common"
# What is run is one list: a profile that names its own models or systems means no others.
_WHOLE = ("models", "systems")
_RULES_OF = {"dcase2020": "2020", "dcase2021": "2021", "dcase2022": "2022", "folder": "2020"}


@click.command()
@click.argument("profile", shell_complete=profiles)
@click.option(
    "--raw",
    type=click.Path(path_type=Path),
    help="Folder of your recordings, one folder a machine below it (for `folder`).",
)
@json_option
def command(profile: str, raw: Path | None, as_json: bool) -> None:
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
    index = settings(IndexConfig, values.get("index", {}), f"{PROFILES}: index")
    found = _own_recordings(profile, raw, index, as_json)
    _merge(values, {"dataset": found})
    old = _write(values)
    params = load_params(PARAMS)
    machines = params.dataset.machines
    note = f"; the one before is {old}" if old else ""
    say(f"{PARAMS}: profile {profile}, {counted(len(machines), 'machine')}{note}", as_json)
    say("next: dvc repro", as_json)
    row = {"file": PARAMS, "profile": profile, "machines": machines, "raw": params.dataset.raw}
    emit([{**row, "before": old}], as_json)


def _own_recordings(
    profile: str, raw: Path | None, index: IndexConfig, as_json: bool
) -> dict[str, Any]:
    """Return where the recordings are, which machines there are and by whose rules they count."""
    if profile != "folder":
        if raw is not None:
            raise UsageError(f"--raw is for your own recordings: asd init folder --raw {raw}")
        return {}
    if raw is None:
        raise UsageError("the folder profile needs your recordings: asd init folder --raw DIR")
    from asd.clips.index import detect_layout, find_machines, preview_machine
    from asd.clips.scan import find_recordings, machine_folder
    from asd.clips.survey import describe

    machines = find_machines(raw)
    layouts = set()
    for machine in machines:
        recordings = find_recordings(machine_folder(raw, machine))
        layouts.add(detect_layout(recordings))
        clips = preview_machine(raw, machine, index)
        say(f"found {machine}: {describe(clips, index.sample_rate)}", as_json)
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


def _write(values: Any) -> Path | None:
    """Write the params file; return where the one before is now, if there was another one."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 120
    text = io.StringIO()
    yaml.dump(values, text)
    old = None
    if PARAMS.exists() and PARAMS.read_text(encoding="utf-8") != text.getvalue():
        old = PARAMS.replace(PARAMS.with_suffix(".yaml.old"))
    PARAMS.write_text(text.getvalue(), encoding="utf-8")
    return old
