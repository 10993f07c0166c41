"""Meta information of a submission: what is counted, what is filled in, what a person wrote."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from statistics import fmean, harmonic_mean
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from safetensors.numpy import save_file

from asd.errors import JobError, UsageError
from asd.report.results import Figure, Results, SystemResult
from asd.report.submission import Label
from asd.report.submission_check import check_meta
from asd.report.submission_meta import (
    PLACEHOLDER,
    Facts,
    count_parameters,
    development_results,
    write_meta,
)

LABEL = Label("Tanaka", "UT", 1)
FACTS = Facts(
    system="6",
    sample_rate=16000,
    extractors=("logmel", "wave"),
    network="tdnn",
    scorer="cosine",
    settings={},
    parameters=4_204_083,
    macs=812_345_678,
    transformations=(),
    attributes=False,
    pretrained=(),
    threshold="a score above the gamma threshold",
)
FIGURES = {"fan": {"harmonic_mean_auc_source": 82.95, "harmonic_mean_pauc": None}}
TASK = "DCASE 2022 Challenge Task 2"


def parsed(meta: bytes) -> Any:
    return YAML(typ="safe", pure=True).load(meta.decode())


def written(**changes: Any) -> Any:
    return parsed(write_meta(LABEL, replace(FACTS, **changes), FIGURES, TASK))


def test_what_is_known_is_filled_in_and_the_rest_is_marked() -> None:
    meta = written()
    description = meta["system"]["description"]
    assert meta["submission"]["label"] == "Tanaka_UT_task2_1"
    assert meta["submission"]["authors"][0]["lastname"] == "Tanaka"
    assert PLACEHOLDER in meta["submission"]["authors"][0]["email"]
    assert description["input_sampling_rate"] == "16kHz"
    assert description["acoustic_features"] == "log-mel energies, raw waveform"
    assert description["machine_learning_method"] == "CNN, k-NN"
    assert description["aggregation_method"] == "average, standard deviation"
    assert meta["system"]["complexity"] == {"total_parameters": 4_204_083, "macs": 812_345_678}
    assert meta["results"]["development_dataset"] == FIGURES
    for name in ("data_augmentation", "embeddings", "attribute_usage", "external_data_usage"):
        assert description[name] is None
    assert meta["system"]["external_datasets"] is None


def test_what_a_system_is_made_of_shows() -> None:
    meta = written(
        extractors=("ptm", "own_feature"),
        network="own_network",
        scorer="gmm",
        settings={"banks": "two", "smote_ratio": 0.2, "memmixup": 1},
        transformations=("reversed", "slower"),
        attributes=True,
        pretrained=("facebook/wav2vec2-base", "own-folder"),
    )
    description = meta["system"]["description"]
    assert description["acoustic_features"] == "pre-trained features, own_feature"
    assert description["machine_learning_method"] == "own_network, GMM"
    assert PLACEHOLDER in description["aggregation_method"]
    assert description["data_augmentation"] == "reversed, slower, SMOTE, MemMixup"
    assert description["domain_generalization_method"] == (
        "reference set of each domain, over-sampling"
    )
    assert description["attribute_usage"] == "classification"
    assert description["external_data_usage"] == "pre-trained model"
    hub, other = meta["system"]["external_datasets"]
    assert hub["url"] == "https://huggingface.co/facebook/wav2vec2-base"
    assert (other["name"], PLACEHOLDER in other["url"]) == ("own-folder", True)


def test_a_new_file_passes_the_check_with_placeholders_as_warnings() -> None:
    for figures in (FIGURES, {}):
        errors, warnings = check_meta(write_meta(LABEL, FACTS, figures, TASK), LABEL)
        assert errors == []
        assert warnings[-1].startswith("FILL_IN is left on line")


def test_what_a_person_wrote_stays_and_what_is_measured_is_brought_up_to_date() -> None:
    first = write_meta(LABEL, FACTS, FIGURES, TASK).decode()
    edited = first.replace(f"firstname: {PLACEHOLDER}", "firstname: Ren # by hand").replace(
        "front_end: !!null", "front_end: HPSS"
    )
    edited = edited.replace("4204083", "4204083  # counted")
    newer = {"valve": {"harmonic_mean_pauc": 60.5}, "fan": {"harmonic_mean_pauc": None}}
    facts = replace(FACTS, parameters=7, scorer="gmm")
    for figures in (newer, {}, newer):
        edited_again = write_meta(LABEL, facts, figures, "another", edited.encode())
        expected = parsed(edited.encode())
        expected["system"]["complexity"]["total_parameters"] = 7
        expected["results"]["development_dataset"] = figures
        assert parsed(edited_again) == expected
        # All the rest, comments included, is byte for byte as it was.
        head = edited.partition("  development_dataset:")[0].replace("4204083", "7")
        assert edited_again.decode().partition("  development_dataset:")[0] == head
        assert write_meta(LABEL, facts, figures, "another", edited_again) == edited_again


def test_a_file_that_is_there_of_another_system_is_not_taken_for_this_one() -> None:
    kept = write_meta(LABEL, FACTS, FIGURES, TASK)
    with pytest.raises(UsageError, match="is system '6' already; give another --number"):
        write_meta(LABEL, replace(FACTS, system="2_cosine"), FIGURES, TASK, kept)


@pytest.mark.parametrize("kept", [b"\xff\xfe", b"a: [", b"just text", b"system: 3\n", b""])
def test_a_file_that_cannot_be_read_is_left_to_the_check(kept: bytes) -> None:
    assert write_meta(LABEL, FACTS, FIGURES, TASK, kept) == kept
    errors, _ = check_meta(kept, LABEL)
    assert errors


NAMES = "1 007 null 1e3 0x1F 2024-01-01 true no 1_000 0o7 3DPrinter a+b"


@pytest.mark.parametrize("name", NAMES.split())
def test_a_name_like_a_number_or_a_date_comes_back_as_a_text(name: str) -> None:
    facts = replace(FACTS, system=name, extractors=(name,), network=name, pretrained=(name,))
    first = write_meta(LABEL, facts, {name: {"harmonic_mean_pauc": 50.0}}, TASK)
    figures = {name: {"harmonic_mean_pauc": 60.5}, f"{name}2": {"harmonic_mean_pauc": 70.5}}
    for meta in (first, write_meta(LABEL, facts, figures, TASK, first)):
        found = parsed(meta)
        description = found["system"]["description"]
        assert description["acoustic_features"] == description["embeddings"] == name
        assert found["system"]["external_datasets"][0]["name"] == name
        assert next(iter(found["results"]["development_dataset"])) == name
        assert check_meta(meta, LABEL)[0] == []
    assert found["results"]["development_dataset"] == figures
    assert json.dumps(found)  # nothing but plain values
    with pytest.raises(UsageError, match=re.escape(f"is system '{name}' already")):
        write_meta(LABEL, FACTS, figures, TASK, first)


def test_a_file_that_a_person_has_gone_over_stays_byte_for_byte() -> None:
    kept = write_meta(LABEL, FACTS, FIGURES, TASK).decode()
    for old, new in (
        (f"email: {PLACEHOLDER}", "email: 'r@ut.example'   # or \"ren@ut.example\""),
        ("front_end: !!null", "front_end: !!null  # none, as in [1]"),
        ("decision_making: !!null", "decision_making: ~"),
        ("corresponding: true", "corresponding: true\n\n      # by hand\n      orcid: 0000-01"),
        ("harmonic_mean_auc_source: 82.95", "harmonic_mean_auc_source: 82.95 # as measured"),
        ("results:", "# not official\nresults:  # of the last run"),
    ):
        assert old in kept
        kept = kept.replace(old, new)
    kept += "\n  # of own recordings\n  own: {fan: 99.0}\n\n# the end\n"
    assert write_meta(LABEL, FACTS, FIGURES, TASK, kept.encode()).decode() == kept
    newer = {"fan": {"harmonic_mean_auc_source": 70.5, "harmonic_mean_pauc": 60.25}}
    again = write_meta(LABEL, replace(FACTS, parameters=7), newer, TASK, kept.encode())
    assert again.decode() == kept.replace("82.95", "70.5").replace("4204083", "7").replace(
        "pauc: !!null", "pauc: 60.25"
    )


def test_the_header_tells_what_is_learned(tmp_path: Path) -> None:
    learned = {
        "tdnn.frames.0.weight": (4, 3, 5),
        "tdnn.frames.2.weight": (4,),
        "temporal.wave.extract.weight": (2, 1, 8),
        "primary.bias": (3,),
        "scale": (),
    }
    kept = {
        "tdnn.frames.2.running_mean": (4,),
        "tdnn.frames.2.running_var": (4,),
        "tdnn.frames.2.num_batches_tracked": (),
        "mean_logmel": (8, 1),
        "deviation_logmel": (8, 1),
    }
    tensors = {name: np.zeros(shape, np.float32) for name, shape in (learned | kept).items()}
    save_file(tensors, tmp_path / "weights.safetensors", metadata={"format": "pt"})
    assert count_parameters(tmp_path / "weights.safetensors") == 60 + 4 + 16 + 3 + 1
    assert count_parameters(tmp_path / "weights.safetensors", "primary.") == 3


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, b"\x04\0\0\0\0\0\0\0[]  ", b"text" * 9])
def test_what_is_no_safetensors_file_says_so(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(UsageError, match="no such file"):
        count_parameters(path)
    path.write_bytes(content)
    with pytest.raises(JobError, match="not a safetensors file"):
        count_parameters(path)


CALLED = {
    "2020": {area: f"averaged_{area}" for area in ("auc", "pauc")},
    "2021": {
        f"{area}_{domain}": f"harmonic_mean_{area}"
        for area in ("auc", "pauc")
        for domain in ("source", "target")
    },
    "2022": {name: f"harmonic_mean_{name}" for name in ("auc_source", "auc_target", "pauc")},
}


@pytest.mark.parametrize("rules", CALLED)
def test_results_are_means_over_sections_under_the_years_names(rules: str) -> None:
    measures, mean = CALLED[rules], fmean if rules == "2020" else harmonic_mean
    rng = np.random.default_rng(0)
    sections = {
        (machine, section): {name: float(rng.uniform(0.5, 1)) for name in measures}
        for machine in ("fan", "valve")
        for section in ("00", "01", "02")
    }
    results = Results(rules, {"6": SystemResult(Figure(0.7), {}, sections, ())})
    expected = {
        name: 100
        * mean(
            [
                figures[measure]
                for (machine, _), figures in sections.items()
                for measure, called in measures.items()
                if machine == "fan" and called == name
            ]
        )
        for name in measures.values()
    }
    given = development_results(results, "6")
    assert given.keys() == {"fan", "valve"}
    assert given["fan"] == pytest.approx(expected, abs=1e-4)  # four decimals are written


def test_undefined_figures_are_left_out_of_means_and_alone_are_null() -> None:
    nan = float("nan")
    sections = {
        ("fan", "00"): {"auc_source": 0.8, "auc_target": nan, "pauc": 0.5},
        ("fan", "01"): {"auc_source": nan, "auc_target": nan, "pauc": 0.5},
    }
    results = Results("2022", {"6": SystemResult(Figure(0.7), {}, sections, ())})
    assert development_results(results, "6")["fan"] == {
        "harmonic_mean_auc_source": 80.0,
        "harmonic_mean_auc_target": None,
        "harmonic_mean_pauc": 50.0,
    }
