"""int8 for OpenVINO: NNCF on the IR."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Mapping, Sequence as Seq
from pathlib import Path
from typing import Any, ClassVar

import nncf
import numpy as np
import openvino as ov
from nncf.quantization.advanced_parameters import AdvancedAccuracyRestorerParameters
from openvino import opset13

from harness.backends.openvino.backend import OpenVino
from harness.backends.openvino.session import OpenVinoSession
from harness.backends.shared.engine import Engine, check_scopes
from harness.backends.shared.nncf_runs import nncf_arguments, quiet_nncf, run_nncf
from harness.core.interfaces import Arrays, Artifact, Progress, Session

LAYERS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
"""OpenVINO's operations whose arithmetic int8 speeds up."""
_THROUGH = ("Convert", "Multiply", "Subtract", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Split", "VariadicSplit",
            "Slice", "StridedSlice", "Concat", "MaxPool", "Relu")  # fmt: skip
_DEPTH = 8


class OpenVinoEngine(Engine):
    """NNCF on the IR."""

    no_control: ClassVar[str] = ""

    def __init__(self, settings: Mapping[str, Any], threads: int, parent: Artifact, progress: Progress) -> None:
        super().__init__(settings, threads, parent, progress)
        models = [self.read(name) for name in parent.graphs]
        operations = [node for model in models for node in model.get_ordered_ops()]
        types = {node.get_type_name() for node in operations}
        check_scopes(self.settings, types, {node.get_friendly_name() for node in operations})

    def fresh(self, threads: int | None = None) -> OpenVino:
        return OpenVino(threads=threads or self.threads, model_cache=False)

    def read(self, name: str) -> Any:
        """The fp32 model of a graph, read anew."""
        model = ov.Core().read_model(str(self.parent.files[name]))
        show_depthwise_weights(model)
        return model

    def nodes(self, name: str) -> list[str]:
        skipped = ("Constant", "Parameter", "Result")
        return [
            node.get_friendly_name()
            for node in self.read(name).get_ordered_ops()
            if node.get_type_name() not in skipped
        ]

    def quantise(self, name: str, items: Seq[Arrays], ignored: Seq[str] = ()) -> Any:
        model = self.read(name)
        self.refuse_quantised(name, {node.get_type_name() for node in model.get_ops()})
        rows = single_rows(model)
        made = run_nncf(model, self.settings, items, [*ignored, *rows], lambda some: self.counted(name, some))
        halve_weights(made, rows)
        share_quantised(made)
        return made

    def save(self, model: Any, name: str, folder: Path) -> Path:
        path = folder / f"{name}.xml"
        ov.save_model(model, str(path), compress_to_fp16=False)  # what stays float stays fp32
        return path

    def session(self, model: Any, name: str) -> OpenVinoSession:
        backend = self.fresh()
        return OpenVinoSession(self.parent.graphs[name], backend.core().compile_model(model, "CPU", backend.settings()))

    def controlled(
        self,
        name: str,
        items: Seq[Arrays],
        clips: Seq[Any],
        validate: Callable[[Session, list[Any]], tuple[float, list[float]]],
        max_drop: float,
        max_reverts: int,
    ) -> tuple[Any, dict[str, Any]]:
        quiet_nncf()
        arguments = nncf_arguments(self.settings, (), len(items))
        arguments["advanced_quantization_parameters"] = arguments.pop("advanced")

        def metric(compiled: Any, data: Any) -> tuple[float, list[float]]:
            return validate(OpenVinoSession(self.parent.graphs[name], compiled), list(data))

        with contextlib.redirect_stdout(io.StringIO()):
            model = nncf.quantize_with_accuracy_control(
                self.read(name),
                calibration_dataset=nncf.Dataset(items),
                validation_dataset=nncf.Dataset(clips),
                validation_fn=metric,
                max_drop=max_drop,
                advanced_accuracy_restorer_parameters=AdvancedAccuracyRestorerParameters(
                    max_num_iterations=max_reverts, ranking_subset_size=2, num_ranking_workers=1
                ),
                **arguments,
            )
        return model, layers_of(model)

    def layers(self, path: Path) -> dict[str, Any]:
        return layers_of(ov.Core().read_model(str(path)))

    def describe(self) -> str:
        return f"nncf {nncf.__version__} on openvino {ov.__version__}"


def single_rows(model: Any) -> list[str]:
    """Names of matrix products with one row, as in squeeze-and-excitation. They stay float: int8 saves them nothing, and
    OpenVINO 2026.4, where a stream has one thread, fuses pairs of them into a kernel whose int8 results are wrong and differ
    from run to run (AVX-512 VNNI)."""
    products = [node for node in model.get_ordered_ops() if node.get_type_name() == "MatMul"]
    return [node.get_friendly_name() for node in products if math.prod(list(node.output(0).shape)[:-1]) == 1]


def halve_weights(model: Any, names: Seq[str]) -> None:
    """Stores the constant weights of the matrix products ``names`` in 16 bits; they are computed with in 32."""
    for node in model.get_ordered_ops():
        source = node.input_value(1).get_node() if node.get_friendly_name() in names else None
        if source is not None and source.get_type_name() == "Constant" and source.data.dtype == np.float32:
            stored = ov.op.Constant(source.data.astype(np.float16))
            stored.set_friendly_name(source.get_friendly_name())
            node.input(1).replace_source_output(opset13.convert(stored, "f32").output(0))


def share_quantised(model: Any) -> None:
    """Lets a residual sum take the quantised form of what another layer has quantised already.

    NNCF leaves such sums in float, and then the layer before writes float for the sum, which is quantised in a pass of its own for
    the layer behind. With one form it writes int8 once, a quarter of the bytes.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() != "FakeQuantize":
            continue
        for port in node.input_value(0).get_target_inputs():
            other = port.get_node()
            summed = other.get_type_name() == "Add" and all(
                other.input_value(index).get_node().get_type_name() != "Constant" for index in (0, 1)
            )
            if summed:
                port.replace_source_output(node.output(0))


def show_depthwise_weights(model: Any) -> None:
    """Puts constants in the place of reshaped constants that are weights of depthwise convolutions: the converter leaves
    them behind a Reshape, where NNCF does not find them, and those layers would stay fp32."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "GroupConvolution":
            continue
        shaped = node.input_value(1).get_node()
        inner = shaped.input_value(0).get_node() if shaped.get_type_name() == "Reshape" else shaped
        if inner is not shaped and inner.get_type_name() == "Constant":
            weights = ov.op.Constant(inner.data.reshape(list(shaped.output(0).shape)))
            weights.set_friendly_name(shaped.get_friendly_name())
            node.input(1).replace_source_output(weights.output(0))


def layers_of(model: Any) -> dict[str, Any]:
    """``{total, int8, fp32}`` of an ov.Model: a layer is int8 where all its inputs come from int8 values."""
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() in LAYERS]
    rest = [node.get_friendly_name() for node in nodes if not _is_int8(node)]
    return {"total": len(nodes), "int8": len(nodes) - len(rest), "fp32": rest}


def _is_int8(node: Any) -> bool:
    return all(_from_int8(node.input_value(index).get_node(), _DEPTH) for index in (0, 1))


def _from_int8(node: Any, depth: int) -> bool:
    kind = node.get_type_name()
    if kind == "FakeQuantize":
        return True
    if kind == "Constant":
        return str(node.get_element_type().get_type_name()) in ("i8", "u8")
    if kind not in _THROUGH or not depth:
        return False
    return _from_int8(node.input_value(0).get_node(), depth - 1)
