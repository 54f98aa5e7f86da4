"""What an evaluation adds to a report: verdicts on a camera's rate, and each int8 run against its own fp32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.present.section import Section
from harness.scoring.compared import Comparison, Job
from harness.tasks.evaluate import budget_section, confidence_section
from harness.tasks.evaluate.record import EvaluateRecord, Int8Record

NONE = "-"
HEAD = [
    "int8 run",
    "size",
    "weights",
    "fps",
    "latency",
    "output diff.",
    "IoU free",
    "parts at",
    "IoU forced",
    "parts at",
    "AO diff.",
    "int8 layers",
]
SHOWN_LAYERS = 6


def sections(found: Comparison) -> list[Section]:
    """Returns the verdicts on a camera's rate and the section over all int8 runs; nothing if there are none."""
    return [*budget_section.sections(found), *_int8(found), *confidence_section.sections(found)]


def _int8(found: Comparison) -> list[Section]:
    records = {row.job.folder: record for row in found.well if (record := _told(row.job)) is not None}
    rows = [row for row in found.well if row.job.folder in records]
    if not rows:
        return []
    body = [line(row.shown, row.job.metrics) for row in rows]
    notes = [
        "Each run against its own fp32, both opened alike and in turns on the same frames: files and largest weights as shares "
        "of fp32's; fps and median latency as multiples of fp32's speed; the largest output difference on the same inputs as a "
        "share of that output's range; overlap with fp32's boxes free running (each follows its own boxes, errors feed back) "
        "and teacher-forced (int8 sees the crops of fp32's boxes), with the first frame, counted from 0, where they "
        "overlap less than 0.5; AO minus fp32's with its paired 95 % interval over sequences; layers that ran in int8."
    ]
    for row in rows:
        notes += sentences(row.shown, records[row.job.folder], row.job.metrics)
    return [Section("int8", "int8 against its own fp32", HEAD, body, notes, order=20)]


def _told(job: Job) -> Int8Record | None:
    return EvaluateRecord.read(job.results.details).int8 if "int8" in job.results.details else None


def line(name: str, metrics: Mapping[str, float]) -> list[str]:
    """Returns the cells of one run."""

    def cell(key: str, form: str) -> str:
        value = metrics.get(f"int8/{key}")
        return NONE if value is None else form.format(value)

    difference = cell("ao_difference", "{:+.4f}")
    if "int8/ao_difference_low" in metrics:
        difference += f" [{cell('ao_difference_low', '{:+.4f}')}, {cell('ao_difference_high', '{:+.4f}')}]"
    return [
        name,
        cell("size_ratio", "{:.2f}x"),
        cell("weights_ratio", "{:.2f}x"),
        cell("fps_ratio", "{:.2f}x"),
        cell("latency_ratio", "{:.2f}x"),
        cell("max_output_diff_share", "{:.1%}"),
        cell("free/mean_iou", "{:.4f}"),
        _never(metrics, "free"),
        cell("forced/mean_iou", "{:.4f}"),
        _never(metrics, "forced"),
        difference,
        cell("layers_share", "{:.0%}"),
    ]


def _never(metrics: Mapping[str, float], way: str) -> str:
    if f"int8/{way}/mean_iou" not in metrics:
        return NONE
    value = metrics.get(f"int8/{way}/first_divergent_frame")
    return "never" if value is None else f"frame {value:.0f}"


def sentences(name: str, told: Int8Record, metrics: Mapping[str, float]) -> list[str]:
    """Returns sentences on what was compared, the processor, accuracy control, and the slowest layers."""
    found = []
    if (compared := told.compared) is not None:
        found.append(
            f"{name}: compared on {compared.frames} of {compared.of_frames} frames of {compared.sequences} of "
            f"{compared.of_sequences} sequences in {compared.seconds:.0f} s; {_calibrated(told)}{_processor(told)}."
        )
    control = told.quantisation.get("accuracy_control")
    if isinstance(control, Mapping):
        found.append(f"{name}: {control_sentence(control)}")
    if told.layers:
        found.append(f"{name}: {_layers(told.layers, metrics.get('int8/latency_ratio', 0.0))}")
    return found


def _calibrated(told: Int8Record) -> str:
    data = told.quantisation.get("calibration")
    if not data:
        return ""
    samples = max(data["samples"].values(), default=0)
    return f"calibrated on {samples} samples of {len(data['sequences'])} other sequences; "


def _processor(told: Int8Record) -> str:
    offers = [key for key, value in told.processor.items() if value is True]
    return f"the processor offers {', '.join(offers) or 'none of AVX2, VNNI, AMX'}"


def control_sentence(control: Mapping[str, Any]) -> str:
    """Describes what accuracy control did."""
    where = control["validation"]
    text = (
        f"accuracy control over {len(where['sequences'])} validation sequences ({where['frames']} frames): AO "
        f"{control['ao_fp32']:.4f} in fp32, {control['ao_int8']:.4f} in int8 throughout (drop {control['drop_before']:+.4f}), "
        f"{control['ao_after']:.4f} kept (drop {control['drop_after']:+.4f}, at most {control['max_drop']:g}), "
        f"{control['evaluations']} evaluations in {control['seconds']:.0f} s"
    )
    for graph, row in control["graphs"].items():
        names = row["reverted"]
        listed = ", ".join(names[:SHOWN_LAYERS]) + (f" and {len(names) - SHOWN_LAYERS} more" if len(names) > SHOWN_LAYERS else "")
        text += f"; graph {graph}: {row['how']}, {row['int8_layers']} of {row['layers']} layers in int8"
        text += f", reverted: {listed}" if names else ", nothing reverted"
    return text + "."


def _layers(layers: Mapping[str, Any], ratio: float) -> str:
    text = (
        f"{layers['int8_layers']} of {layers['layers']} layers ran in int8, {layers['int8_time_share']:.0%} of the graph's "
        "profiled time"
    )
    if ratio > 1.0:
        return text + "."
    costly = ", ".join(
        f"{row['name']} ({row['type']} {row['precision']}, {row['ms']:.2f} ms)" for row in layers["costly"][:SHOWN_LAYERS]
    )
    return f"{text}; int8 is not faster here, and these cost most: {costly}."
