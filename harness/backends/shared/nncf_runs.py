"""NNCF's post-training quantisation with the settings of the ``quantization`` section."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping, Sequence as Seq
from typing import Any

import nncf
from nncf.quantization.advanced_parameters import (
    AdvancedQuantizationParameters,
    AdvancedSmoothQuantParameters,
    OverflowFix,
)
from nncf.quantization.range_estimator import RangeEstimatorParametersSet

from harness.core.interfaces import Arrays


def nncf_arguments(settings: Mapping[str, Any], ignored: Seq[str], subset: int) -> dict[str, Any]:
    """The arguments of ``nncf.quantize`` for ``settings``."""
    advanced: dict[str, Any] = {
        "overflow_fix": {"disable": OverflowFix.DISABLE, "first_layer": OverflowFix.FIRST_LAYER, "all": OverflowFix.ENABLE}[
            settings["overflow_fix"]
        ]
    }
    alpha = -1.0 if settings["smooth_quant"] is None else float(settings["smooth_quant"])  # negative: off
    advanced["smooth_quant_alphas"] = AdvancedSmoothQuantParameters(convolution=alpha, matmul=alpha)
    # the range with the least error of rounding, not the extremes, which few values reach (docs/int8.md has the figures)
    advanced["activations_range_estimator_params"] = RangeEstimatorParametersSet.HISTOGRAM
    return {
        "preset": nncf.QuantizationPreset(settings["preset"]),
        "model_type": nncf.ModelType.TRANSFORMER if settings["model_type"] == "transformer" else None,
        "subset_size": subset,
        "fast_bias_correction": bool(settings["fast_bias_correction"]),
        "ignored_scope": nncf.IgnoredScope(
            names=list(dict.fromkeys([*settings["ignored_names"], *ignored])),
            types=list(settings["ignored_types"]),
            patterns=list(settings["ignored_patterns"]),
            validate=False,  # checked by us, with an error that tells the names
        ),
        "advanced": AdvancedQuantizationParameters(**advanced),
    }


def run_nncf(model: Any, settings: Mapping[str, Any], items: Seq[Arrays], ignored: Seq[str], bar: Any) -> Any:
    """``nncf.quantize`` over all of ``items``; its own bars are kept off the terminal, ``bar`` iterates with ours."""
    quiet_nncf()
    arguments = nncf_arguments(settings, ignored, len(items))
    advanced = arguments.pop("advanced")
    with contextlib.redirect_stdout(io.StringIO()):
        return nncf.quantize(model, nncf.Dataset(_Again(items, bar)), advanced_parameters=advanced, **arguments)


def quiet_nncf() -> None:
    """Keeps NNCF's notes on every operation it skips off the terminal; its import sets a level of its own."""
    nncf.set_log_level(logging.ERROR)


class _Again:
    """An iterable that shows a bar each time it is gone through: NNCF does so once or several times."""

    def __init__(self, items: Seq[Arrays], bar: Any) -> None:
        self._items, self._bar = items, bar

    def __iter__(self) -> Iterator[Arrays]:
        yield from self._bar(self._items)

    def __len__(self) -> int:
        return len(self._items)
