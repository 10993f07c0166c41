"""asd select: what scores each machine best, chosen from its training clips alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from asd.cli.output import emit, json_option, machine_option, say
from asd.cli.project import Project
from asd.config import SELECTED
from asd.errors import UsageError
from asd.layout import PARAMS

if TYPE_CHECKING:
    from asd.config import SystemConfig
    from asd.scoring.bank import Bank
    from asd.scoring.selection import Choice


@click.command()
@machine_option
@click.option("--compare", is_flag=True, help="Show what every criterion says of each candidate.")
@click.option("--dry-run", is_flag=True, help="Show the table and leave the params as they are.")
@json_option
def command(machines: tuple[str, ...], compare: bool, dry_run: bool, as_json: bool) -> None:
    """Choose what scores each machine best, from training clips alone, and write it down.

    Candidates are all embeddings and scorers of the params' section `select`. The best by its
    criterion are joined, and written into pipeline/params.yaml as the fusion `selected`; until
    then, `asd score` chooses anew whenever a bank changes. The table goes to
    data/reports/selection.md.
    """
    project = Project.find()
    chosen: dict[str, tuple[SystemConfig, ...]] = {}
    rows: list[dict[str, Any]] = []
    text = ""
    for machine in project.machines(machines):
        members, choice = select_members(project, machine, compare)
        chosen[machine] = members
        rows.append({"machine": machine, **choice})
        text += _table(machine, choice)
    say(text.rstrip(), as_json)
    if not dry_run:
        _write_table(project, text)
        write_choice(project, chosen)
        say(f"wrote fusions.{SELECTED} of {project.root / PARAMS}; next: dvc repro", as_json)
    emit(rows, as_json)


def select_members(
    project: Project, machine: str, compare: bool = False
) -> tuple[tuple[SystemConfig, ...], dict[str, Any]]:
    """Choose members for one machine.

    Returns:
        What is chosen, and the account of it as JSON: the criterion, what it says of each
        candidate, and the names of those that are chosen.

    Raises:
        UsageError: there are no candidates, or a bank is missing.
    """
    from asd.scoring.bank import read_bank
    from asd.scoring.fusion import build_members
    from asd.scoring.selection import CRITERIA, choose

    select = project.params.select
    candidates = select.candidates()
    if not candidates:
        raise UsageError(
            f"{project.root / PARAMS}: select has no models and scorers to choose from;"
            " 'asd init' writes some"
        )
    banks = {
        model: read_bank(project.bank_dir(model, machine) / "train.h5") for model in select.models
    }
    choice = choose(
        dict(zip(candidates, build_members(SELECTED, list(candidates.values())), strict=True)),
        banks,
        _other_machines(project, machine, banks),
        select.criterion,
        select.members,
        tuple(CRITERIA) if compare else (),
    )
    return tuple(candidates[name] for name in choice.chosen), _account(choice, select.criterion)


def _other_machines(
    project: Project, machine: str, banks: Mapping[str, Bank]
) -> dict[str, Sequence[Bank]]:
    """Return banks of other machines whose embeddings mean the same, where they are needed."""
    from asd.scoring.bank import read_bank

    found: dict[str, Sequence[Bank]] = {}
    for model, bank in banks.items():
        same_for_all = (
            model in project.params.joint or project.params.model(model).network == "pooled"
        )
        if len(bank.sections) > 1 or not same_for_all:
            continue
        paths = [
            project.bank_dir(model, other) / "train.h5"
            for other in project.machines()
            if other != machine
        ]
        found[model] = [read_bank(path) for path in paths if path.exists()]
    return found


def _account(choice: Choice, wanted: str) -> dict[str, Any]:
    account: dict[str, Any] = {
        "criterion": choice.criterion or "all",
        "candidates": {
            name: {key: None if value is None else round(value, 6) for key, value in values.items()}
            for name, values in choice.values.items()
        },
        "chosen": list(choice.chosen),
    }
    if not choice.criterion:
        account["note"] = f"'{wanted}' says nothing here; all candidates are joined"
    return account


def _table(machine: str, choice: Mapping[str, Any]) -> str:
    """Return a Markdown table of the candidates, the chosen first."""
    candidates, chosen = choice["candidates"], choice["chosen"]
    criteria = list(next(iter(candidates.values())))
    first = choice["criterion"] if choice["criterion"] in criteria else criteria[0]
    order = sorted(
        candidates, key=lambda name: (name not in chosen, -(candidates[name][first] or 0.0))
    )
    width = max(map(len, order))
    why = choice.get("note", f"by '{choice['criterion']}', from training clips alone")
    lines = [
        f"## {machine}",
        "",
        f"Joined: {len(chosen)} of {len(order)} candidates, {why}.",
        "",
        f"| {'candidate':{width}} | {' | '.join(f'{name:>10}' for name in criteria)} | chosen |",
        f"|{'-' * (width + 2)}|{'|'.join(['-' * 11 + ':'] * len(criteria))}|--------|",
    ]
    for name in order:
        cells = " | ".join(
            f"{'-':>10}" if value is None else f"{value:10.4f}"
            for value in candidates[name].values()
        )
        lines.append(f"| {name:{width}} | {cells} | {'yes' if name in chosen else '':6} |")
    return "\n".join(lines) + "\n\n"


def _write_table(project: Project, text: str) -> None:
    from asd.atomic import replacing

    project.reports.mkdir(parents=True, exist_ok=True)
    with replacing(project.reports / "selection.md") as beside:
        beside.write_text(f"# What was selected\n\n{text.rstrip()}\n", encoding="utf-8")


def write_choice(project: Project, chosen: Mapping[str, Sequence[SystemConfig]]) -> None:
    """Write the members of each machine into the params; every other line stays as it is."""
    from asd.atomic import replacing

    path = project.root / PARAMS
    known = project.params.fusions.get(SELECTED)
    machines = {**(known.machines if known else {}), **chosen}
    lines = path.read_text(encoding="utf-8").splitlines()
    start, end = _entry(lines)
    entry = [f"  {SELECTED}:", "    machines:"]
    if known and known.join != "mean":
        entry.insert(1, f"    join: {known.join}")
    for machine, members in machines.items():
        entry.append(f"      {machine}:")
        entry += [f"        - {_flow(member.model_dump(mode='json'))}" for member in members]
    new = "\n".join([*lines[:start], *entry, *lines[end:]]) + "\n"
    with replacing(path) as beside:
        beside.write_text(new, encoding="utf-8")


def _entry(lines: list[str]) -> tuple[int, int]:
    """Return where the entry of the fusion is, or is to be; the section is added if it is missing.

    Raises:
        UsageError: the section is written on one line, and cannot be added to.
    """
    heads = [n for n, line in enumerate(lines) if re.match(r"fusions\s*:", line)]
    if not heads:
        lines += ["", "fusions:"]
        return len(lines), len(lines)
    if re.match(r"fusions\s*:\s*[^#\s]", lines[heads[0]]):
        raise UsageError(f"{PARAMS}: write fusions with each of its names on a line of its own")
    section = heads[0] + 1
    after = next((n for n in range(section, len(lines)) if re.match(r"\S", lines[n])), len(lines))
    first = next(
        (n for n in range(section, after) if re.match(rf"  {SELECTED}\s*:", lines[n])), None
    )
    if first is None:
        return section, section
    # Up to the next name, or the blank lines and notes before the next section.
    end = next((n for n in range(first + 1, after) if not lines[n].startswith("   ")), after)
    return first, end


def _flow(value: Any) -> str:
    """Return JSON values as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    return str(value) if isinstance(value, str) else json.dumps(value)
