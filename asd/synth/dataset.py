"""A machine's folder of synthesised clips, in the layout of the challenge from 2022 on."""

from __future__ import annotations

import csv
import io
import json
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asd.clips.names import NO_ATTRIBUTE
from asd.config import SynthConfig
from asd.errors import UsageError
from asd.progress import progress
from asd.synth import MACHINES
from asd.synth.machine import NORMAL, RATE, Wave
from asd.synth.recording import render

MANIFEST = "synthesis.json"
"""In a machine's folder: the config, and the files that were made with it."""

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class PlannedClip:
    """One clip to be made.

    Attributes:
        section: the section.
        split: ``"train"`` or ``"test"``.
        clip: its name without attributes, which seeds its sound.
        attributes: its operating attributes.
        condition: ``"normal"`` or a fault of the machine.
        hidden: whether its name keeps the attributes to itself.
    """

    section: int
    split: str
    clip: str
    attributes: Mapping[str, str]
    condition: str
    hidden: bool = False

    @property
    def path(self) -> str:
        """Path of the file below the machine's folder."""
        told = "".join(f"_{key}_{value}" for key, value in self.attributes.items())
        tail = f"_{NO_ATTRIBUTE}" if self.hidden else told
        return f"{self.split}/{self.clip}{tail}.wav"


def plan(machine: str, config: SynthConfig) -> list[PlannedClip]:
    """Return the clips of a machine.

    Attribute values and faults take turns: the first n clips of a kind are the same however many
    there are of it.

    Raises:
        UsageError: an unknown machine.
    """
    kind, hidden = MACHINES[machine](), machine in config.hidden
    clips = []
    for section in range(config.sections):
        for domain, split, label, count in _counts(config):
            operations = kind.operations(section, domain)
            conditions = (NORMAL,) if label == "normal" else kind.faults
            for number in range(count):
                clip = f"section_{section:02d}_{domain}_{split}_{label}_{number:04d}"
                attributes = operations[number % len(operations)]
                condition = conditions[number % len(conditions)]
                clips.append(PlannedClip(section, split, clip, attributes, condition, hidden))
    return clips


def synthesise_machine(root: Path, machine: str, config: SynthConfig) -> int:
    """Write the clips of a machine, and one attribute table a section, below ``root / machine``.

    The same config gives the same bytes. Files of an earlier synthesis that this config does not
    give are removed.

    Args:
        root: the raw folder.
        machine: a name of :data:`asd.synth.MACHINES`.
        config: how many clips, how long, how noisy.

    Returns:
        The number of clips written.

    Raises:
        UsageError: an unknown machine, or the folder holds files that no synthesis made.
    """
    clips = plan(machine, config)
    tables = dict(_tables(machine, clips))
    folder = root / machine
    wanted = {clip.path for clip in clips} | set(tables)
    _clear(folder, wanted)
    manifest = {
        "schema": _SCHEMA,
        "machine": machine,
        "config": config.model_dump(mode="json", exclude={"machines"}),
        "files": sorted(wanted),
        "conditions": {clip.path: clip.condition for clip in clips if clip.condition != NORMAL},
    }
    # Before the clips: whatever a killed run leaves behind is then known as its own.
    _write(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    for path, table in tables.items():
        _write(folder / path, table)
    with progress(len(clips), f"synth {machine}") as advance:
        for clip in clips:
            section, name, values = clip.section, clip.clip, clip.attributes
            sound = render(machine, section, name, values, clip.condition, config)
            _write(folder / clip.path, encode(sound))
            advance()
    return len(clips)


def encode(sound: Wave) -> bytes:
    """Return samples (L,) or (L, channels) within -1 to 1 as a WAV file: 16 kHz, 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(sound.size // len(sound))
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(np.round(sound * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _counts(config: SynthConfig) -> Iterator[tuple[str, str, str, int]]:
    """Yield (domain, split, label, number of clips) of a section."""
    yield "source", "train", "normal", config.train_source
    yield "target", "train", "normal", config.train_target
    for domain in ("source", "target"):
        for label in ("normal", "anomaly"):
            yield domain, "test", label, config.test_clips


def _tables(machine: str, clips: list[PlannedClip]) -> Iterator[tuple[str, bytes]]:
    """Yield the file name and content of each section's attribute table."""
    for section in sorted({clip.section for clip in clips}):
        rows = [clip for clip in clips if clip.section == section]
        pairs = range(1, 1 if rows[0].hidden else len(rows[0].attributes) + 1)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["file_name", *(f"d{n}{part}" for n in pairs for part in "pv")])
        for clip in rows:
            told = () if clip.hidden else sum(clip.attributes.items(), ())
            writer.writerow([f"{machine}/{clip.path}", *told])
        yield f"attributes_{section:02d}.csv", text.getvalue().encode()


def _clear(folder: Path, wanted: set[str]) -> None:
    """Remove what an earlier synthesis made and this one does not; refuse what is not its own."""
    made = _made_before(folder / MANIFEST)
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    own = made | {_beside(Path(path)).as_posix() for path in {*made, MANIFEST}} | {MANIFEST}
    foreign = sorted(present - own)
    if foreign:
        raise UsageError(
            f"{folder / foreign[0]}: not made by 'asd synth', which would replace this folder;"
            " move it away, or set another dataset.raw in pipeline/params.yaml"
        )
    for path in present - wanted - {MANIFEST}:
        (folder / path).unlink()


def _made_before(manifest: Path) -> set[str]:
    """Return the files that an earlier synthesis lists as its own."""
    try:
        content: Any = json.loads(manifest.read_text(encoding="utf-8"))
        return set(content["files"]) if content["schema"] == _SCHEMA else set()
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            f"{manifest}: not a list of synthesised files; remove {manifest.parent}"
        ) from None


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _beside(path).write_bytes(content)
    _beside(path).replace(path)
