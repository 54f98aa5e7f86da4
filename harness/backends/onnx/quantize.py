"""int8 for ONNX Runtime: its own static quantisation, or NNCF on the ONNX file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence as Seq
from pathlib import Path
from typing import Any, ClassVar

import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from harness.backends.onnx.backend import Onnx
from harness.backends.onnx.session import OnnxSession
from harness.backends.shared.engine import Engine, check_scopes
from harness.core.errors import PrepareError
from harness.core.interfaces import Array, Arrays, Artifact, Progress, Session

LAYERS = ("Conv", "ConvTranspose", "MatMul", "Gemm")


class OnnxEngine(Engine):
    """ONNX Runtime's static quantisation (QDQ), or NNCF on the ONNX file: ``quantization.onnx_engine``."""

    no_control: ClassVar[str] = "NNCF's control is used on OpenVINO's graphs alone"

    def __init__(self, settings: Mapping[str, Any], threads: int, parent: Artifact, progress: Progress) -> None:
        super().__init__(settings, threads, parent, progress)
        nodes = [node for name in parent.graphs for node in self.read(name).graph.node]
        types = {node.op_type for node in nodes}
        check_scopes(self.settings, types, {node.name for node in nodes})

    def fresh(self, threads: int | None = None) -> Onnx:
        return Onnx(threads=threads or self.threads, spinning=False)

    def read(self, name: str) -> Any:
        """The fp32 model of a graph, read anew; every node has a name."""
        model = onnx.load(str(self.parent.files[name]))
        for index, node in enumerate(model.graph.node):
            node.name = node.name or f"{node.op_type}_{index}"
        return model

    def nodes(self, name: str) -> list[str]:
        return [node.name for node in self.read(name).graph.node if node.op_type != "Constant"]

    def quantise(self, name: str, items: Seq[Arrays], ignored: Seq[str] = ()) -> Any:
        model = self.read(name)
        self.refuse_quantised(name, {node.op_type for node in model.graph.node})
        with tempfile.TemporaryDirectory() as folder:
            ready = self._ready(model, Path(folder))
            if self.settings["onnx_engine"] == "nncf":
                return self._nncf(ready, name, items, ignored)
            return self._static(Path(folder), ready, name, items, ignored)

    def _nncf(self, model: Any, name: str, items: Seq[Arrays], ignored: Seq[str]) -> Any:
        from harness.backends.shared.nncf_runs import run_nncf

        try:
            return run_nncf(model, self.settings, items, ignored, lambda some: self.counted(name, some))
        except Exception as error:  # NNCF's ONNX graphs break in many ways, for example on products of two activations
            raise PrepareError(
                f"NNCF cannot quantise the ONNX file of graph {name} ({type(error).__name__}: {error}); use "
                "quantization.onnx_engine=onnxruntime."
            ) from error

    @staticmethod
    def _ready(model: Any, folder: Path) -> Any:
        """``model`` folded, with shapes inferred: what is folded needs no quantiser."""
        onnx.save(model, str(folder / "plain.onnx"))
        quant_pre_process(str(folder / "plain.onnx"), str(folder / "ready.onnx"), skip_symbolic_shape=True)
        return onnx.load(str(folder / "ready.onnx"))

    def _static(self, folder: Path, model: Any, name: str, items: Seq[Arrays], ignored: Seq[str]) -> Any:
        ready, out = str(folder / "ready.onnx"), str(folder / "int8.onnx")
        quantize_static(
            ready,
            out,
            _Reader(self.counted(name, items)),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(LAYERS),
            nodes_to_exclude=self._excluded(model.graph.node, ignored),
            per_channel=True,
            reduce_range=self.settings["overflow_fix"] == "all",
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            # the mean over samples of their extremes: one odd crop must not widen a range for all
            extra_options={"CalibMovingAverage": True},
        )
        return onnx.load(out)

    def _excluded(self, nodes: Any, ignored: Seq[str]) -> list[str]:
        settings = self.settings
        names = {*settings["ignored_names"], *ignored}
        return [
            node.name
            for node in nodes
            if node.name in names
            or node.op_type in settings["ignored_types"]
            or any(re.search(pattern, node.name) for pattern in settings["ignored_patterns"])
        ]

    def save(self, model: Any, name: str, folder: Path) -> Path:
        path = folder / f"{name}.onnx"
        onnx.save(model, str(path))
        return path

    def session(self, model: Any, name: str) -> Session:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        made = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return OnnxSession(self.parent.graphs[name], made)

    def layers(self, path: Path) -> dict[str, Any]:
        graph = onnx.load(str(path)).graph
        made_by = {output: node.op_type for node in graph.node for output in node.output}
        nodes = [node for node in graph.node if node.op_type in LAYERS]
        rest = [
            node.name
            for node in nodes
            if any(made_by.get(source) != "DequantizeLinear" for source in list(node.input)[:2])
        ]
        return {"total": len(nodes), "int8": len(nodes) - len(rest), "fp32": rest}

    def describe(self) -> str:
        if self.settings["onnx_engine"] == "nncf":
            import nncf

            return f"nncf {nncf.__version__} on onnx"
        return f"onnxruntime {ort.__version__} static QDQ, per channel"


class _Reader:
    """What ONNX Runtime's calibration wants: ``get_next`` until None."""

    def __init__(self, items: Iterator[Arrays]) -> None:
        self._items = items

    def get_next(self) -> Mapping[str, Array] | None:
        return next(self._items, None)

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> Mapping[str, Array]:
        item = self.get_next()
        if item is None:
            raise StopIteration
        return item
