"""Weights and models that are real files of their kind and still not what a tracker wants: cut, flipped, of another, full of NaN."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hostile.case import Case, job

Make = Callable[[Path], object]
TRACKERS = ("smat", "nanotrack", "lighttrack", "fear")


class Evil:
    """A pickle of it runs a command where it is loaded carelessly."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch pwned",)


def _torch(value: Callable[[Any], Any]) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(value(torch), buffer)
    return buffer.getvalue()


def _demo() -> Any:
    from harness.core.config import conf_folder
    from harness.trackers.weights import load

    del conf_folder
    import harness

    return load(Path(str(harness.__file__)).parent / "weights/smat_demo.safetensors")


def _good() -> bytes:
    return _torch(lambda torch: {"net": _demo()})


def _legacy(torch: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(_demo(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def _script() -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


def _bombed() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 80_000_000)
    return buffer.getvalue()


def _flipped(data: bytes, where: float) -> bytes:
    place = int(len(data) * where)
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


def _first(change: Callable[[Any], Any]) -> bytes:
    """The demo's weights with its first tensor changed."""

    def changed(torch: Any) -> Any:
        state = dict(_demo())
        name = next(iter(state))
        state[name] = change(state[name])
        return state

    return _torch(changed)


CHECKPOINTS: dict[str, Callable[[], bytes]] = {
    "a list": lambda: _torch(lambda torch: [1, 2]),
    "a number": lambda: _torch(lambda torch: 5),
    "a tensor": lambda: _torch(lambda torch: torch.zeros(3)),
    "an empty dict": lambda: _torch(lambda torch: {}),
    "a dict of numbers": lambda: _torch(lambda torch: {"net": {"a": 1}}),
    "nested containers": lambda: _torch(lambda torch: {"net": {"net": {"net": {}}}}),
    "keys that are numbers": lambda: _torch(lambda torch: {1: torch.zeros(2)}),
    "another network": lambda: _torch(lambda torch: torch.nn.Linear(2, 2).state_dict()),
    "a whole module": lambda: _torch(lambda torch: torch.nn.Linear(2, 2)),
    "a pickle that runs a command": lambda: pickle.dumps(Evil()),
    "a checkpoint that runs a command": lambda: _torch(lambda torch: {"net": {"a": torch.zeros(1)}, "hook": Evil()}),
    "a TorchScript": _script,
    "a bomb": _bombed,
    "cut in half": lambda: _good()[: len(_good()) // 2],
    "cut by ten bytes": lambda: _good()[:-10],
    "a flipped byte at the start": lambda: _flipped(_good(), 0.001),
    "a flipped byte near the end": lambda: _flipped(_good(), 0.999),
    "the old format, cut": lambda: _legacy(__import__("torch"))[:5000],
    "one tensor missing": lambda: _torch(lambda torch: dict(list(_demo().items())[1:])),
    "one tensor more": lambda: _torch(lambda torch: {**_demo(), "more": torch.zeros(1)}),
    "NaN in a tensor": lambda: _first(lambda tensor: tensor * float("nan")),
    "infinity in a tensor": lambda: _first(lambda tensor: tensor + float("inf")),
    "a tensor of another shape": lambda: _first(lambda tensor: tensor.reshape(-1)[:1]),
    "a complex tensor": lambda: _first(lambda tensor: tensor.to(__import__("torch").complex64)),
    "a sparse tensor": lambda: _first(lambda tensor: tensor.to_sparse()),
    "a tensor of whole numbers": lambda: _first(lambda tensor: tensor.to(__import__("torch").int64)),
    "a meta tensor": lambda: _first(lambda tensor: tensor.to("meta")),
    "recursion": lambda: b"(" * 50000 + b".",
    "a pickle of a gigabyte": lambda: b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b".",
}
MAY_RUN = ("a tensor of whole numbers", "a checkpoint that runs a command", "a sparse tensor")
"""What a reader may take, as long as nothing is run."""


def _safetensors(header: Any, body: bytes = b"\0" * 16) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


SAFETENSORS: dict[str, Callable[[], bytes]] = {
    "no tensors": lambda: _safetensors({}),
    "a list as header": lambda: _safetensors([]),
    "deep nesting": lambda: _safetensors(b"[" * 100000),
    "not UTF-8": lambda: _safetensors(b'{"\xff": 1}'),
    "a negative size": lambda: _safetensors({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}),
    "a huge size": lambda: _safetensors({"a": {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 4]}}),
    "offsets beyond the end": lambda: _safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [100, 104]}}),
    "offsets backwards": lambda: _safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}),
    "an unknown type": lambda: _safetensors({"a": {"dtype": "Q7", "shape": [1], "data_offsets": [0, 4]}}),
    "a header longer than the file": lambda: struct.pack("<Q", 2**40) + b"{}",
    "another network": lambda: _safetensors({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}),
    "cut": lambda: (Path(str(__import__("harness").__file__)).parent / "weights/smat_demo.safetensors").read_bytes()[:-100],
}


def _onnx(change: Callable[[Any], Any]) -> bytes:
    import onnx
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 8, 8])
    out = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, 8, 8])
    model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["input"], ["output"])], "g", [image], [out]))
    changed = change(model)
    data: bytes = (changed if isinstance(changed, onnx.ModelProto) else model).SerializeToString()
    return data


def _opset(model: Any) -> None:
    model.opset_import[0].version = 9999


def _domain(model: Any) -> None:
    model.graph.node[0].domain = "nobody"


def _external(model: Any) -> None:
    from onnx import TensorProto

    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type = "w", TensorProto.FLOAT
    tensor.dims.extend([4])
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"


ONNX: dict[str, Callable[[], bytes]] = {
    "another network": lambda: _onnx(lambda model: None),
    "an opset of the future": lambda: _onnx(_opset),
    "an operator of nobody": lambda: _onnx(_domain),
    "data outside the folder": lambda: _onnx(_external),
    "no graph": lambda: _onnx(lambda model: model.ClearField("graph")),
    "no opset": lambda: _onnx(lambda model: model.ClearField("opset_import")),
    "cut": lambda: _onnx(lambda model: None)[:20],
}
SPECIAL: dict[str, Make] = {
    "a FIFO": os.mkfifo,
    "a folder": lambda path: path.mkdir(),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "/proc/self/mem": lambda path: path.symlink_to("/proc/self/mem"),
}


def _written(name: str, make: Callable[[], bytes]) -> Make:
    return lambda folder: (folder / name).write_bytes(make())


def models() -> Iterator[Case]:
    """Weights by every tracker that reads such files."""
    for tracker in TRACKERS:
        for name, make in CHECKPOINTS.items():
            if tracker in ("smat", "nanotrack") or name in ("a bomb", "another network", "a list", "cut in half"):
                codes = (0, 1, 2) if name in MAY_RUN else (1, 2)
                words = job(f"tracker={tracker}", "tracker.weights={here}/w.pth")
                yield Case("checkpoints", f"{name}, {tracker}", words, _written("w.pth", make), codes=codes, needs=("data",))
        for name, special in SPECIAL.items():
            words = job(f"tracker={tracker}", "tracker.weights={here}/w.pth")
            yield Case("checkpoints", f"{name}, {tracker}", words, lambda folder, special=special: special(folder / "w.pth"), codes=(1, 2), needs=("data",))
    for name, make in SAFETENSORS.items():
        words = job("tracker=smat_demo", "tracker.weights={here}/w.safetensors")
        yield Case("checkpoints", f"safetensors: {name}", words, _written("w.safetensors", make), codes=(1, 2), needs=("data",))
    for name, make in ONNX.items():
        words = job("tracker=nanotrack", "tracker.weights=[{here}/b.onnx,{here}/b.onnx]")
        yield Case("checkpoints", f"ONNX: {name}", words, _written("b.onnx", make), codes=(1, 2), needs=("data",), says="NanoTrack" if name == "another network" else "")
    for count, weights in enumerate(("[]", "[a]", "[a,b,c]", "5", "true", "{a:b}", "~nobody/x.pth", "x" * 300, "package:", "package:../..", "package:/etc/passwd", "''")):
        for tracker in ("smat", "nanotrack", "lighttrack", "fear"):
            yield Case("checkpoints", f"{count} {weights[:20]}, {tracker}", job(f"tracker={tracker}", f"tracker.weights={weights}"), needs=("data",))
