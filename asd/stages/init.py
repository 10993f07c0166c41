"""init: a whole workspace from a profile, in any folder; in a workspace, its params anew.

Profiles and ``dvc.yaml`` are data of the package (``asd/profiles``), so an installed one is
complete.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from configparser import ConfigParser
from dataclasses import dataclass
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd.artifact import begun_path, lock_path
from asd.atomic import locked, refusals, remove, replacing
from asd.config import IndexConfig, machine_name, settings
from asd.errors import JobError, UsageError, one_line, unknown_name
from asd.params import parse_params
from asd.stages.synth import FOLDER
from asd.workspace import PARAMS, current_folder, find_root

if TYPE_CHECKING:
    from asd.clips.index import Indexed
    from asd.params import Params

_COMMON, _STAGES = "common", "stages"
# What is run is one list: a profile that names its own models or systems means no others. One that
# names but nulls takes these away.
_WHOLE = ("models", "systems")
_LEAST_TRAINING = 2  # clips, without which nothing is a distance from the others
_RULES_OF = {"dcase2020": "2020", "dcase2021": "2021", "dcase2022": "2022", "folder": "2020"}
_GIT_IGNORED = ("/data/", "/dvc_plots/", "/pipeline/params.yaml.[0-9]*")
_DVC_IGNORED = """\
# What an interrupted run leaves beside an artifact is no part of it.
.*.part
.*.part.new
.*.journal
"""


@dataclass(frozen=True)
class Initialised:
    """What was made.

    Attributes:
        root: the folder of the workspace.
        params: what stands in its params file now.
        created: the files that were not there before, below the root.
        before: where the params of before are kept, if there were others.
    """

    root: Path
    params: Params
    created: tuple[str, ...]
    before: Path | None


def profiles() -> list[str]:
    """Return the names of the profiles, sorted."""
    names = (path.name for path in files("asd").joinpath("profiles").iterdir())
    found = {name.removesuffix(".yaml") for name in names if name.endswith(".yaml")}
    return sorted(found - {_COMMON, _STAGES})


def profile_text(name: str) -> str:
    """Return a file of the profiles, such as ``"stages"``, which becomes dvc.yaml."""
    return files("asd").joinpath("profiles", f"{name}.yaml").read_text(encoding="utf-8")


def run(
    profile: str,
    raw: Path | None = None,
    folder: Path | None = None,
    tell: Callable[[str], object] = lambda line: None,
    warn: Callable[[str], object] = lambda line: None,
    normal: Sequence[Path] = (),
) -> Initialised:
    """Write a workspace for a profile.

    All values are checked before anything is written. What is there stays, but for the params, and
    these are kept under a number of their own.

    Args:
        profile: one of :func:`profiles`.
        raw: the folder of one's own recordings, for the profile ``folder``.
        folder: where; by default the workspace that the current folder lies in, or the current
            folder itself.
        tell: called with what was found of each machine.
        warn: called with what is left out of it, and what is odd.
        normal: folders of it whose sound is normal, whatever they are called.

    Raises:
        UsageError: an unknown profile, or a folder that is none of recordings.
        JobError: no recording can be learnt from, or a file cannot be written.
    """
    from ruamel.yaml import YAML

    if profile not in profiles():
        raise unknown_name("profile", profile, profiles())
    here = folder if folder is not None else current_folder()
    root = Path(os.path.relpath(find_root(here.resolve()) or here.resolve()))
    yaml = YAML()
    yaml.width = 120
    values = yaml.load(profile_text(_COMMON))
    _merge(values, yaml.load(profile_text(profile)))
    index = settings(IndexConfig, values.get("index", {}), f"profile {profile}: index")
    if profile == "folder":
        if raw is None:
            raise UsageError("the folder profile needs your recordings: asd init folder --raw DIR")
        _merge(values, _own_recordings(raw, normal, index, root, tell, warn))
    elif raw is not None or normal:
        option = "--raw" if raw is not None else "--normal"
        raise UsageError(
            f"{option} is for your own recordings: asd init folder --raw {raw or 'DIR'}"
        )
    _synthesise_what_is_not_there(values, root, tell)
    written = StringIO()
    yaml.dump(values, written)
    text = written.getvalue()
    params = parse_params(text.encode(), f"profile {profile}")
    with locked(lock_path(root / PARAMS), fleeting=True):
        before = _write_params(root / PARAMS, text)
        created = tuple(_complete(root))
    return Initialised(root, params, created, before)


def _own_recordings(
    raw: Path,
    normal: Sequence[Path],
    index: IndexConfig,
    root: Path,
    tell: Callable[[str], object],
    warn: Callable[[str], object],
) -> dict[str, Any]:
    """Return what the params say of somebody's own recordings, after reading them all.

    Where the recordings are, which machines there are and by whose rules they count; and what of
    the section ``index`` is to be another than by default.
    """
    from asd.clips.scan import find_own
    from asd.clips.survey import suggest

    machines, loose = find_own(raw)
    for machine in machines:
        try:
            machine_name(machine)
        except ValueError as error:
            raise UsageError(f"{raw}: machine {machine!a}: {error}") from None
    if loose:
        warn(f"{raw}: recordings beside the machines' folders, of no machine: {loose}, not used")
    chosen = {"normal": _below(raw, normal, machines)} if normal else {}
    index = index.model_copy(update=chosen)
    more = suggest(raw, machines, index, warn)
    index, chosen = index.model_copy(update=more), chosen | more
    used, rules = _usable(raw, machines, index, tell, warn)
    dataset = {
        "raw": Path(os.path.relpath(raw, root)).as_posix(),
        "machines": used,
        # Domains count where the names of all machines tell them.
        "rules": rules.pop() if len(rules) == 1 else "2020",
    }
    return {"dataset": dataset, "index": chosen}


def _usable(
    raw: Path,
    machines: Sequence[str],
    index: IndexConfig,
    tell: Callable[[str], object],
    warn: Callable[[str], object],
) -> tuple[list[str], set[str]]:
    """Return the machines that can be learnt from, and the rules by which their names count."""
    from asd.clips.survey import describe

    used, rules, failed = [], set(), []
    training: dict[str, int] = {}
    for machine in machines:
        found, problem = _look(raw, machine, index, warn)
        if problem:
            failed.append(f"{machine}: {problem}")
            continue
        used.append(machine)
        training[machine] = sum(clip.usable and clip.split == "train" for clip in found.clips)
        rules.add(_RULES_OF[found.layout])
        tell(f"found {machine}: {describe(found.clips, index.sample_rate)}")
    for machine in [one for one in used if training[one] < _LEAST_TRAINING]:
        line = f"{machine}: 1 normal clip to learn from, and {_LEAST_TRAINING} are the least"
        if max(training.values()) < _LEAST_TRAINING:
            warn(line)
        else:  # training would end with it, and the others would wait for what comes after
            used.remove(machine)
            failed.append(line)
    for line in failed if used else ():
        warn(f"left out {line}")
    if not used:
        raise JobError("\n".join(f"{raw}: no machine can be used: {line}" for line in failed))
    return used, rules


def _look(
    raw: Path, machine: str, index: IndexConfig, warn: Callable[[str], object]
) -> tuple[Indexed, str]:
    """Index a machine, say what is odd in it, and return why it cannot be used, if it cannot."""
    from asd.clips.index import index_recordings
    from asd.clips.scan import find_recordings, folder_of, looks_like_machines
    from asd.clips.survey import left_out, odd

    found = index_recordings(raw, machine, index)
    for line in odd(found, index):
        warn(f"{machine}: {line}")
    folder = folder_of(raw, machine)
    if machines := looks_like_machines(find_recordings(folder)):
        warn(
            f"{machine}: {', '.join(machines)} are taken for one machine; if each of them is one:"
            f" asd init folder --raw {folder}"
        )
    unused = left_out(found.clips)
    usable = [clip for clip in found.clips if clip.usable]
    if not any(clip.split == "train" for clip in usable):
        what = f"no normal recording to learn from, and {len(usable)} to test" if usable else ""
        return found, "; ".join(filter(None, [what, *unused])) or "no recordings"
    for line in unused:
        warn(f"{machine}: not used: {line}")
    return found, ""


def _below(raw: Path, normal: Sequence[Path], machines: Sequence[str]) -> list[str]:
    """Return folders that were said to be normal as paths that begin with a machine.

    Each may be given from the current folder, from ``raw`` or from a machine's folder.

    Raises:
        UsageError: there is no such folder.
    """
    from asd.clips.scan import folder_of

    found: dict[str, None] = {}
    for given in normal:
        of_given = []
        for machine in machines:
            place = folder_of(raw, machine)
            for folder in (given, raw / given, place / given):
                inside = Path(os.path.relpath(folder.resolve(), place.resolve()))
                if folder.is_dir() and ".." not in inside.parts:
                    of_given.append("/".join((machine, *inside.parts)))
                    break
        if not of_given:
            raise UsageError(f"--normal {given}: no such folder below {raw}")
        found |= dict.fromkeys(of_given)
    return list(found)


def _synthesise_what_is_not_there(
    values: MutableMapping[str, Any], root: Path, tell: Callable[[str], object]
) -> None:
    """Decide where a profile names recordings and machines to synthesise: recordings go first."""
    dataset, synth = values["dataset"], values["synth"]
    raw = root / dataset["raw"]
    if not synth["machines"] or dataset["raw"] == FOLDER.as_posix():
        return
    if raw.is_dir() and any(raw.iterdir()):
        synth["machines"] = []
        return
    tell(
        f"{raw}: no recordings there, so their like is synthesised; for the recordings run"
        f" 'asd download {dataset['name']}', and 'asd init {dataset['name']}' again"
    )
    dataset["raw"] = FOLDER.as_posix()
    dataset["name"] += "_synthesised"


def _complete(root: Path) -> list[str]:
    """Write what a workspace has besides its params, as far as it is missing; return what."""
    texts = {
        "dvc.yaml": profile_text(_STAGES),
        ".gitignore": "".join(f"{line}\n" for line in _GIT_IGNORED),
        ".dvcignore": _DVC_IGNORED,
    }
    created = []
    for name, text in texts.items():
        if not (root / name).exists():
            with replacing(root / name) as beside:
                beside.write_text(text, encoding="utf-8")
            created.append(name)
    if _init_dvc(root.resolve()):
        created.append(".dvc")
    return created


def _init_dvc(root: Path) -> bool:
    """Initialise DVC, with git where there is a repository; False where DVC knows the folder.

    What a run that was stopped in the midst of it has begun is brought to its end.
    """
    path = root / ".dvc" / "config"
    begun = begun_path(path.parent)
    if not begun.exists() and any((one / ".dvc").is_dir() for one in (root, *root.parents)):
        return False
    with refusals(root):
        begun.touch()
    if not (path.parent / "cache").exists():  # else DVC has kept something already
        _run_dvc_init(root)
    config = ConfigParser()
    config.read(path)
    # Recordings are read for their digests; DVC uses one thread on two cores.
    core = {"analytics": "false", "check_update": "false", "checksum_jobs": "4"}
    config.read_dict({"core": core})
    if _links(path.parent):
        # What DVC keeps is on disk once: artifacts are replaced and never written to again. With
        # copies or reflinks among the types DVC leaves copies that are there as they are.
        config["cache"] = {"type": "hardlink,symlink"}
    with replacing(path) as beside, beside.open("w", encoding="utf-8") as file:
        config.write(file)
    remove(begun)
    return True


def _run_dvc_init(root: Path) -> None:
    in_git = any((folder / ".git").exists() for folder in (root, *root.parents))
    how = [] if (root / ".git").exists() else ["--subdir"] if in_git else ["--no-scm"]
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--force", *how],  # in place of what was begun
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = one_line(done.stderr or done.stdout)
        raise JobError(f"{root}: DVC cannot be initialised here: {why}")


def _links(folder: Path) -> bool:
    """Return whether the disk of a folder has hard links."""
    other = folder / ".link.part"
    try:
        other.unlink(missing_ok=True)  # of a run that was killed
        os.link(folder / "config", other)
    except OSError:
        return False
    other.unlink()
    return True


def _merge(into: MutableMapping[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        mergeable = isinstance(value, Mapping) and isinstance(into.get(key), MutableMapping)
        if value is None and isinstance(into.get(key), Mapping):
            del into[key]
        elif mergeable and (key not in _WHOLE or not any(value.values())):
            _merge(into[key], value)
        else:
            into[key] = value
    if not into and hasattr(into, "fa"):
        into.fa.set_flow_style()  # {} on the line of its key


def _write_params(path: Path, text: str) -> Path | None:
    """Write the params file; return where the one before is now, if there was another one."""
    kept = None
    if path.exists() and path.read_bytes() != text.encode():
        numbers = (
            int(one.suffix[1:])
            for one in path.parent.glob(f"{path.name}.*")
            if one.suffix[1:].isdecimal()
        )
        kept = path.with_name(f"{path.name}.{max(numbers, default=0) + 1}")
        with replacing(kept) as beside:
            beside.write_bytes(path.read_bytes())
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
    return kept
