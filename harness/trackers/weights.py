"""Reads weights from checkpoints that nobody vouches for: nothing in a file is ever run.

A ``.pth`` is a pickle, and a pickle can name any function and have it called. Here the pickle may construct
tensors, ordered dictionaries, plain containers and numbers, as ``torch.load(weights_only=True)`` allows; every
other class or function it names becomes ``Inert``, which takes anything and does nothing. So checkpoints whose
statistics or settings are instances of a training package that is not installed load as well.
"""

from __future__ import annotations

import collections
import contextlib
import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor, nn

from harness.core.archives import Limits, read_entry, refusal, too_large
from harness.core.errors import WeightsError

CONTAINERS = ("net", "state_dict", "model_state_dict", "model")
PREFIX = "module."
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
PICKLE_LIMIT = 1 << 28
LIMITS = Limits(file=16 << 30, total=64 << 30, entries=100_000, what="set of weights", ratio=200)
SHOWN = 4

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Inert:
    """Stands for anything that a pickle names and we do not construct."""

    def __new__(cls, *_: Any, **__: Any) -> Inert:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> Inert:
        return Inert()

    def __setstate__(self, _: Any) -> None: ...

    def __setitem__(self, _: Any, __: Any) -> None: ...

    def append(self, _: Any) -> None: ...

    def extend(self, _: Any) -> None: ...

    def add(self, _: Any) -> None: ...


class _Storage:
    """A flat run of numbers; ``data`` is bound late in the legacy format, where it follows the pickle."""

    def __init__(self, dtype: torch.dtype, numel: int) -> None:
        self.dtype, self.numel = dtype, numel
        self.data: Tensor | None = None

    def bind(self, raw: bytes) -> None:
        if len(raw) != self.numel * self.dtype.itemsize:
            raise ValueError(f"a storage has {len(raw)} bytes where {self.numel} x {self.dtype} were announced")
        self.data = torch.frombuffer(bytearray(raw), dtype=self.dtype) if raw else torch.empty(0, dtype=self.dtype)


class _View(NamedTuple):
    """A tensor still to be cut from its storage."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def tensor(self) -> Tensor:
        storage, count = self.storage, 1
        for length in self.size:
            count *= length
        reach = self.offset + sum((length - 1) * step for length, step in zip(self.size, self.stride, strict=True))
        if storage.data is None or min((self.offset, *self.size, *self.stride), default=0) < 0:
            raise ValueError("a tensor has no storage, or a negative size")
        if count and reach >= storage.numel:
            raise ValueError("a tensor reaches beyond its storage")
        if count == 0:
            return torch.empty(self.size, dtype=storage.dtype)
        return storage.data.as_strided(self.size, self.stride, self.offset).clone()


def _view(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Any:
    if not isinstance(storage, _Storage):
        return Inert()
    return _View(storage, int(offset), tuple(int(n) for n in size), tuple(int(n) for n in stride))


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _size(values: Any = ()) -> tuple[Any, ...]:
    return tuple(values)


_CONSTRUCTIBLE: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _view,
    ("torch._utils", "_rebuild_tensor_v2"): _view,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): _size,
}


class _Unpickler(pickle.Unpickler):
    """Builds what ``_CONSTRUCTIBLE`` names. Storages are asked for by key through ``persistent_load``."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        return _CONSTRUCTIBLE.get((module, name), Inert)

    def persistent_load(self, pid: Any) -> Any:
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], torch.dtype):
            return Inert()
        _, dtype, key, _, numel = pid[:5]
        if not isinstance(key, str) or not isinstance(numel, int) or numel < 0:
            raise pickle.UnpicklingError("a storage without a key or a size")
        return self.storages.setdefault(key, _Storage(dtype, numel))


def _read_zip(path: Path) -> Any:
    """torch.save's format since 1.6: a zip of ``data.pkl`` and one file per storage."""
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in entries if name.endswith("/data.pkl") or name == "data.pkl"]
        if len(pickles) != 1:
            raise ValueError("the zip holds no data.pkl")
        if any(name.endswith("constants.pkl") for name in entries):
            raise ValueError("it is a TorchScript program, not a set of weights")
        root = pickles[0].removesuffix("data.pkl")

        def read(name: str) -> bytes:
            return read_entry(archive, entries[name], LIMITS)

        if f"{root}byteorder" in entries and read(f"{root}byteorder") != b"little":
            raise ValueError("its numbers are big-endian")
        unpickler = _Unpickler(io.BytesIO(read(pickles[0])))
        content = unpickler.load()
        for key, storage in unpickler.storages.items():
            info = entries.get(f"{root}data/{key}")
            if info is None or info.file_size != storage.numel * storage.dtype.itemsize:
                raise ValueError(f"its storage {key} is missing or cut short")
            storage.bind(read(info.filename))
        return content


def _read_legacy(path: Path) -> Any:
    """torch.save's format before 1.6: four pickles, the keys of the storages, then each storage's numbers."""
    with path.open("rb") as file:
        if _Unpickler(file).load() != LEGACY_MAGIC:
            raise ValueError("it does not begin as torch.save's files do")
        for _ in range(2):
            _Unpickler(file).load()
        unpickler = _Unpickler(file)
        content = unpickler.load()
        for key in _Unpickler(file).load():
            storage = unpickler.storages[key]
            (numel,) = struct.unpack("<q", file.read(8))
            if numel != storage.numel:
                raise ValueError(f"its storage {key} has {numel} numbers where {storage.numel} were announced")
            storage.bind(file.read(numel * storage.dtype.itemsize))
        return content


def _check_zip(path: Path) -> None:
    """Raises ValueError if torch.save cannot have written the archive; checked before anything is unpacked."""
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    odd = too_large(infos, LIMITS)
    for info in infos:
        odd = odd or refusal(info, LIMITS)
        if info.filename.endswith("data.pkl") and info.file_size > PICKLE_LIMIT:
            raise ValueError("its data.pkl is larger than any set of weights needs")
    if odd:
        raise ValueError(f"its archive, or a file in it, {odd}")


def _read_pickled(path: Path) -> Any:
    """What torch.save wrote: by torch itself if it knows all that the file names, else by the reader above."""
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    if zipped:
        _check_zip(path)
    with contextlib.suppress(Exception), warnings.catch_warnings():  # a training package's classes, damage: see below
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)
    return _read_zip(path) if zipped else _read_legacy(path)


def _state_dict(content: Any) -> dict[str, Any]:
    """The state dict in a checkpoint: the mapping itself, or the one under a usual name."""
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__}")
    for name in CONTAINERS:
        if isinstance(content.get(name), Mapping):
            content = content[name]
            break
    tensors = {key: value for key, value in content.items() if isinstance(value, (_View, Tensor))}
    if not tensors or len(tensors) != len(content) or not all(isinstance(key, str) for key in tensors):
        raise ValueError(f"it holds {_listing([str(key) for key in content]) or 'nothing'}")
    return tensors


def load(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, ``module.`` stripped.

    ``path`` is a ``.safetensors`` file, or what torch.save wrote (either format): a state dict, or a dict that has one
    under ``net``, ``state_dict``, ``model_state_dict`` or ``model``. Raises WeightsError; runs nothing.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"the weights {path} do not exist; give the path of a .pth, .pth.tar or .safetensors file.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            tensors = _state_dict(_read_pickled(path))
            state = {name: item.tensor() if isinstance(item, _View) else item for name, item in tensors.items()}
    except MemoryError as error:
        raise WeightsError(f"{path} is not a set of weights: it claims to hold more than fits into memory. Was the download complete?") from error
    except OSError as error:
        raise WeightsError(f"the weights {path} cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # a damaged pickle may raise almost anything, and all of it means the same
        raise WeightsError(
            f"{path} is not a set of weights ({_first_line(error)}); accepted: .safetensors, or a .pth with a state "
            "dict, bare or under net or state_dict. Was the download complete?"
        ) from error
    return {name.removeprefix(PREFIX): value for name, value in state.items()}


def load_into(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Loads ``state`` strictly: every name and shape of ``module``, no other, all finite. Raises WeightsError.

    Counters (``num_batches_tracked``) may be absent: they serve training alone.
    """
    expected = module.state_dict()
    counter = ".num_batches_tracked"
    missing = [name for name in expected if name not in state and not name.endswith(counter)]
    unexpected = [name for name in state if name not in expected]
    wrong = [
        f"{name} {list(state[name].shape)} instead of {list(value.shape)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    faults = []
    for words, names in (("missing", missing), ("unexpected", unexpected), ("of the wrong shape", wrong)):
        if names:
            faults.append(f"{len(names)} {words} ({_listing(names)})")
    if faults:
        raise WeightsError(
            f"{path} does not fit {type(module).__name__} ({len(expected)} tensors): {'; '.join(faults)}. "
            "Give the checkpoint of this tracker and version, or set the sizes it was trained with."
        )
    infinite = [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if infinite:
        raise WeightsError(f"{path} has numbers that are not finite in {_listing(infinite)}; it is damaged.")
    counters = {name: value for name, value in expected.items() if name.endswith(counter)}
    module.load_state_dict({**counters, **state})


def _listing(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160] or type(error).__name__
