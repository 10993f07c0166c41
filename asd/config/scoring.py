"""From banks to figures: the sections systems, fusions, select, ladder, score and evaluate."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from asd.config.base import Name, Positive, Settings

SELECTED = "selected"
"""The fusion that is used where no system is named, made of what is best for each machine."""


class SystemConfig(Settings):
    """One system: a model and the scorer over its bank.

    ``embedding`` names the array of the bank that the scorer compares; a training-free model has
    one for each of its poolings.
    """

    model: Name
    embedding: str = "embedding"
    scorer: Name
    settings: dict[str, Any] = Field({})


class FusionConfig(Settings):
    """A system that joins others, each standardised by its training scores.

    Attributes:
        members: names of systems. None: what ``select`` chooses for each machine.
        join: the mean or the maximum over members.
        machines: by machine, the members written out; ``asd select`` writes them. They go before
            ``members``.
    """

    members: tuple[Name, ...] = ()
    join: Literal["mean", "max"] = "mean"
    machines: dict[Name, tuple[SystemConfig, ...]] = Field({})


class ScorerConfig(Settings):
    """A scorer with its settings."""

    scorer: Name
    settings: dict[str, Any] = Field({})


class SelectConfig(Settings):
    """What a fusion without members is chosen from; see :mod:`asd.scoring.selection`.

    Attributes:
        models: by name, the embeddings of each that are tried.
        scorers: by name, the scorers that are tried on each of them.
        criterion: how candidates are ranked, from training clips alone.
        members: how many of the best are joined.
    """

    models: dict[Name, tuple[str, ...]] = Field({})
    scorers: dict[Name, ScorerConfig] = Field({})
    criterion: Name = "strangers"
    members: Positive = 5

    def candidates(self) -> dict[str, SystemConfig]:
        """Return every combination as a system, named ``model/embedding/scorer``."""
        return {
            f"{model}/{embedding}/{name}": SystemConfig(
                model=model, embedding=embedding, scorer=scorer.scorer, settings=scorer.settings
            )
            for model, embeddings in self.models.items()
            for embedding in embeddings
            for name, scorer in self.scorers.items()
        }


class LadderRow(Settings):
    """One row of the ladder: a system, and what it changes from the row before."""

    system: Name
    change: str = ""


class ScoreConfig(Settings):
    """How scores become decisions; see :mod:`asd.scoring.calibration`.

    ``false_alarm_rate`` is that of normal recordings, whatever their length. ``windows`` is how the
    clips that a long recording is cut into make one score.
    """

    threshold: Name = "gamma"
    false_alarm_rate: float = Field(0.1, gt=0, lt=1)
    windows: Literal["max", "mean"] = "max"


class EvaluateConfig(Settings):
    """How the official numbers are reported."""

    bootstrap: Annotated[int, Field(ge=0)] = 1000
    seed: int = 0
