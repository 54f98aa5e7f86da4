"""The quantisers: NNCF on OpenVINO's IR, ONNX Runtime (or NNCF) on ONNX files. Runtimes are imported when one is made."""

from __future__ import annotations

import logging
import math
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence as Seq
from pathlib import Path
from typing import Any

import numpy as np

from harness.backends.onnx.backend import Onnx, OnnxSession
from harness.backends.openvino.backend import OpenVino, OpenVinoSession
from harness.core.errors import ConfigError, PrepareError
from harness.core.interfaces import Array, Arrays, Artifact, Backend, Progress, Session
from harness.prepare.plan import Step

LAYERS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
"""OpenVINO's operations whose arithmetic int8 speeds up."""
ONNX_LAYERS = ("Conv", "ConvTranspose", "MatMul", "Gemm")
_QUANTISED_TYPES = ("FakeQuantize", "FakeConvert", "QuantizeLinear", "DequantizeLinear", "QLinearConv")
_THROUGH = ("Convert", "Multiply", "Subtract", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Split", "VariadicSplit",
            "Slice", "StridedSlice", "Concat", "MaxPool", "Relu")  # fmt: skip
_DEPTH = 8


def engine(step: Step, parent: Artifact, progress: Progress) -> Engine:
    """The quantiser for the step's format."""
    kind = OpenVinoEngine if step.format == "openvino" else OnnxEngine
    return kind(step, parent, progress)


class Engine(ABC):
    """Quantises single graphs of ``parent`` with the settings of ``step``."""

    def __init__(self, step: Step, parent: Artifact, progress: Progress) -> None:
        self.settings: Mapping[str, Any] = step.options["settings"]
        self.threads = int(step.options["_threads"])
        self.parent, self.progress = parent, progress

    def open(self, artifact: Artifact) -> dict[str, Session]:
        """Sessions over an artifact of this engine's format."""
        return self.fresh().open(artifact)

    @abstractmethod
    def fresh(self, threads: int | None = None) -> Backend:
        """A backend that compiles anew, without the cache of compiled models; ``threads`` instead of the job's."""

    @abstractmethod
    def nodes(self, name: str) -> list[str]:
        """Names of the graph's operations (no constants), from inputs to outputs."""

    @abstractmethod
    def quantise(self, name: str, items: Seq[Arrays], ignored: Seq[str] = ()) -> Any:
        """An int8 model of graph ``name``; ``ignored`` operations stay fp32 beside those of the settings."""

    @abstractmethod
    def save(self, model: Any, name: str, folder: Path) -> Path: ...

    @abstractmethod
    def session(self, model: Any, name: str) -> Session:
        """A session over a model that is not saved yet."""

    @abstractmethod
    def layers(self, path: Path) -> dict[str, Any]:
        """``{total, int8, fp32}``: layers of a saved model, how many are int8, and the names of those that are not."""

    @abstractmethod
    def describe(self) -> str: ...

    def refuse_quantised(self, name: str, types: set[str]) -> None:
        """Raises ConfigError where a graph holds quantisers already."""
        found = sorted(types.intersection(_QUANTISED_TYPES))
        if found:
            raise ConfigError(
                f"graph {name} is quantised already (it holds {', '.join(found)}); quantise its fp32 original, or run it as it "
                "is with quantization=none."
            )

    def counted(self, name: str, items: Seq[Arrays]) -> Iterator[Arrays]:
        """``items`` one by one, with a bar."""
        self.progress.start(f"int8 statistics of {name}", len(items))
        for item in items:
            self.progress.step()
            yield item
        self.progress.close()


# ---------------------------------------------------------------------------------------------- NNCF


def nncf_arguments(settings: Mapping[str, Any], ignored: Seq[str], subset: int) -> dict[str, Any]:
    """The arguments of ``nncf.quantize`` for ``settings``."""
    import nncf
    from nncf.quantization.advanced_parameters import (
        AdvancedQuantizationParameters,
        AdvancedSmoothQuantParameters,
        OverflowFix,
    )

    advanced: dict[str, Any] = {
        "overflow_fix": {"disable": OverflowFix.DISABLE, "first_layer": OverflowFix.FIRST_LAYER, "all": OverflowFix.ENABLE}[
            settings["overflow_fix"]
        ]
    }
    if settings["smooth_quant"] is not None:
        alpha = float(settings["smooth_quant"])
        advanced["smooth_quant_alphas"] = AdvancedSmoothQuantParameters(convolution=alpha, matmul=alpha)
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
    import contextlib
    import io

    import nncf

    quiet_nncf()
    arguments = nncf_arguments(settings, ignored, len(items))
    advanced = arguments.pop("advanced")
    with contextlib.redirect_stdout(io.StringIO()):
        return nncf.quantize(model, nncf.Dataset(_Again(items, bar)), advanced_parameters=advanced, **arguments)


def quiet_nncf() -> None:
    """Keeps NNCF's notes on every operation it skips off the terminal; its import sets a level of its own."""
    import nncf

    nncf.set_log_level(logging.ERROR)


class _Again:
    """An iterable that shows a bar each time it is gone through: NNCF does so once or several times."""

    def __init__(self, items: Seq[Arrays], bar: Any) -> None:
        self._items, self._bar = items, bar

    def __iter__(self) -> Iterator[Arrays]:
        yield from self._bar(self._items)

    def __len__(self) -> int:
        return len(self._items)


def check_scopes(name: str, settings: Mapping[str, Any], names: Seq[str], types: set[str], every_graph: set[str]) -> None:
    """Raises ConfigError where an ignored name, type or pattern matches nothing in any graph."""
    del name
    for key, known in (("ignored_names", set(names) | every_graph), ("ignored_types", types)):
        for word in settings[key]:
            if word not in known:
                from harness.core.config import suggestion

                raise ConfigError(
                    f"quantization.{key}: {word!r} is in no graph{suggestion(word, known)}; "
                    + (f"types here: {', '.join(sorted(types))}." if key == "ignored_types" else "see the IR's layer names.")
                )
    for pattern in settings["ignored_patterns"]:
        if not any(re.search(pattern, word) for word in (*names, *every_graph)):
            raise ConfigError(f"quantization.ignored_patterns: {pattern!r} matches no operation of any graph.")


class OpenVinoEngine(Engine):
    """NNCF on the IR."""

    def __init__(self, step: Step, parent: Artifact, progress: Progress) -> None:
        super().__init__(step, parent, progress)
        models = [self.read(name) for name in parent.graphs]
        operations = [node for model in models for node in model.get_ordered_ops()]
        types = {node.get_type_name() for node in operations}
        check_scopes("", self.settings, [], types, {node.get_friendly_name() for node in operations})

    def fresh(self, threads: int | None = None) -> OpenVino:
        return OpenVino(threads=threads or self.threads, model_cache=False)

    def read(self, name: str) -> Any:
        """The fp32 model of a graph, read anew."""
        import openvino as ov

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
        return made

    def save(self, model: Any, name: str, folder: Path) -> Path:
        import openvino as ov

        path = folder / f"{name}.xml"
        ov.save_model(model, str(path), compress_to_fp16=False)  # what stays float stays fp32
        return path

    def session(self, model: Any, name: str) -> OpenVinoSession:
        backend = self.fresh()
        return OpenVinoSession(self.parent.graphs[name], backend.core().compile_model(model, "CPU", backend.settings()))

    def compiled_session(self, compiled: Any, name: str) -> OpenVinoSession:
        """A session over a model that NNCF has compiled."""
        return OpenVinoSession(self.parent.graphs[name], compiled)

    def layers(self, path: Path) -> dict[str, Any]:
        import openvino as ov

        return layers_of(ov.Core().read_model(str(path)))

    def describe(self) -> str:
        import nncf
        import openvino as ov

        return f"nncf {nncf.__version__} on openvino {ov.__version__}"


def single_rows(model: Any) -> list[str]:
    """Names of matrix products with one row, as in squeeze-and-excitation. They stay float: int8 saves them nothing, and
    OpenVINO 2026.4, where a stream has one thread, fuses pairs of them into a kernel whose int8 results are wrong and differ
    from run to run (AVX-512 VNNI)."""
    products = [node for node in model.get_ordered_ops() if node.get_type_name() == "MatMul"]
    return [node.get_friendly_name() for node in products if math.prod(list(node.output(0).shape)[:-1]) == 1]


def halve_weights(model: Any, names: Seq[str]) -> None:
    """Stores the constant weights of the matrix products ``names`` in 16 bits; they are computed with in 32."""
    import openvino as ov
    from openvino import opset13

    for node in model.get_ordered_ops():
        source = node.input_value(1).get_node() if node.get_friendly_name() in names else None
        if source is not None and source.get_type_name() == "Constant" and source.data.dtype == np.float32:
            stored = ov.op.Constant(source.data.astype(np.float16))
            stored.set_friendly_name(source.get_friendly_name())
            node.input(1).replace_source_output(opset13.convert(stored, "f32").output(0))


def show_depthwise_weights(model: Any) -> None:
    """Puts constants in the place of reshaped constants that are weights of depthwise convolutions: the converter leaves
    them behind a Reshape, where NNCF does not find them, and those layers would stay fp32."""
    import openvino as ov

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


# ---------------------------------------------------------------------------------------------- ONNX


class OnnxEngine(Engine):
    """ONNX Runtime's static quantisation (QDQ), or NNCF on the ONNX file: ``quantization.onnx_engine``."""

    def __init__(self, step: Step, parent: Artifact, progress: Progress) -> None:
        super().__init__(step, parent, progress)
        nodes = [node for name in parent.graphs for node in self.read(name).graph.node]
        types = {node.op_type for node in nodes}
        check_scopes("", self.settings, [], types, {node.name for node in nodes})

    def fresh(self, threads: int | None = None) -> Onnx:
        return Onnx(threads=threads or self.threads, spinning=False)

    def read(self, name: str) -> Any:
        """The fp32 model of a graph, read anew; every node has a name."""
        import onnx

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
        try:
            return run_nncf(model, self.settings, items, ignored, lambda some: self.counted(name, some))
        except Exception as error:  # NNCF's ONNX graphs break in many ways, for example on products of two activations
            raise PrepareError(
                f"NNCF cannot quantise the ONNX file of graph {name} ({type(error).__name__}: {error}); use "
                "quantization.onnx_engine=onnxruntime."
            ) from error

    @staticmethod
    def _ready(model: Any, folder: Path) -> Any:
        """``model`` folded, with shapes inferred: what is folded away needs no quantiser."""
        import onnx
        from onnxruntime.quantization.shape_inference import quant_pre_process

        onnx.save(model, str(folder / "plain.onnx"))
        quant_pre_process(str(folder / "plain.onnx"), str(folder / "ready.onnx"), skip_symbolic_shape=True)
        return onnx.load(str(folder / "ready.onnx"))

    def _static(self, folder: Path, model: Any, name: str, items: Seq[Arrays], ignored: Seq[str]) -> Any:
        import onnx
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

        ready, out = str(folder / "ready.onnx"), str(folder / "int8.onnx")
        quantize_static(
            ready,
            out,
            _Reader(self.counted(name, items)),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(ONNX_LAYERS),
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
        import onnx

        path = folder / f"{name}.onnx"
        onnx.save(model, str(path))
        return path

    def session(self, model: Any, name: str) -> Session:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        made = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return OnnxSession(self.parent.graphs[name], made)

    def layers(self, path: Path) -> dict[str, Any]:
        import onnx

        graph = onnx.load(str(path)).graph
        made_by = {output: node.op_type for node in graph.node for output in node.output}
        nodes = [node for node in graph.node if node.op_type in ONNX_LAYERS]
        rest = [
            node.name
            for node in nodes
            if any(made_by.get(source) != "DequantizeLinear" for source in list(node.input)[:2])
        ]
        return {"total": len(nodes), "int8": len(nodes) - len(rest), "fp32": rest}

    def describe(self) -> str:
        import onnxruntime as ort

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
