"""The builders: torch -> ONNX, a backend's own files. Each fills a folder and returns what its artifact records."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from filelock import FileLock

from harness.artifacts.store import REFERENCE_FILE, artifact_folder, damage, load_artifact, record
from harness.backends.shared.modules import load_modules
from harness.core.errors import HarnessError, PrepareError, StoreError, telling_line
from harness.core.interfaces import Artifact, Backend, GraphSpec, Progress
from harness.core.preparing import companions, resolve
from harness.prepare import parity
from harness.prepare.plan import Step, lookup


def realise(step: Step, cache: Path, progress: Progress, threads: int) -> Artifact:
    """The artifact of ``step``: from the cache, or built with all that it needs; safe for several processes at once."""
    found = lookup(step, cache)
    if found is not None:
        return found
    root = step.chain()[0]
    if root is not step.parent and root is not step:
        realise(root, cache, progress, threads)  # its reference outputs judge what is built
    parent = realise(step.parent, cache, progress, threads) if step.parent else None
    folder = artifact_folder(cache, step.key)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the folder of prepared models {cache} cannot be written ({error.strerror}); set prepare.cache to one that can."
        ) from error
    with FileLock(f"{folder}.lock"):
        found = lookup(step, cache)
        if found is None and (why := damage(folder)):
            progress.say(f"note: the prepared model in {folder} is damaged ({why}); it is prepared again")
        return found or _build(step, parent, folder, progress, threads)


def _build(step: Step, parent: Artifact | None, folder: Path, progress: Progress, threads: int) -> Artifact:
    import shutil
    import tempfile

    what = step.builder.partition(":")[2].replace("_", " ")
    progress.say(f"preparing: {what} ({step.format}, {step.precision})")
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        begin = perf_counter()
        artifact = _fill(step, parent, temporary, threads)
        info = {**artifact.info, "seconds": round(perf_counter() - begin, 3), "mb": _megabytes(artifact)}
        _record(step, artifact, info)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except HarnessError:
        raise
    except Exception as error:
        raise PrepareError(f"{what} failed: {type(error).__name__}: {telling_line(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return load_artifact(folder)


def _fill(step: Step, parent: Artifact | None, folder: Path, threads: int) -> Artifact:
    with quiet_loggers():
        files, info = resolve(step.builder)(step, parent, folder)
    graphs = {graph.name: graph for graph in step.graphs}
    artifact = Artifact(step.format, step.precision, files, graphs, step.key, folder, info)
    if step.parent is not None and step.tolerance is not None and parent is not None:
        artifact = _checked(step, artifact, threads)
    return artifact


@contextmanager
def quiet_loggers() -> Iterator[None]:
    """Keeps warnings that exporters and quantisers log off the terminal: they are about the libraries' own choices."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _checked(step: Step, artifact: Artifact, threads: int) -> Artifact:
    """``artifact`` with its parity recorded. Raises PrepareError beyond the tolerance."""
    reference = artifact.folder.parent / artifact_folder(Path(), step.chain()[0].key).name / REFERENCE_FILE
    backend: Backend = resolve(step.checker).plain(threads)
    found = parity.measure(artifact, backend, reference)
    if step.tolerance is not None:
        parity.judge(found, step.tolerance, f"conversion to {step.format} ({step.precision})")
    info = {**artifact.info, "parity": found}
    return Artifact(
        artifact.format, artifact.precision, artifact.files, artifact.graphs, artifact.key, artifact.folder, info
    )


def _record(step: Step, artifact: Artifact, info: Mapping[str, Any]) -> None:
    record(
        artifact.folder,
        {
            "key": step.key,
            "format": step.format,
            "precision": step.precision,
            "files": {name: Path(path).name for name, path in artifact.files.items()},
            "graphs": [asdict(graph) for graph in step.graphs],
            "parent": step.parent.key if step.parent else None,
            "options": {key: value for key, value in step.options.items() if not key.startswith("_")},
            "info": info,
        },
    )


def _megabytes(artifact: Artifact) -> float | None:
    """Size of all model files in MiB; for torch, of the parameters and buffers; None if there is no model to weigh."""
    if "parameter_bytes" in artifact.info:
        size = artifact.info["parameter_bytes"]
        return None if size is None else float(size) / 2**20
    files = {item for path in artifact.files.values() for item in companions(path)}
    return sum(path.stat().st_size for path in files) / 2**20


# --------------------------------------------------------------------------------------- conversions


def export_onnx(step: Step, parent: Artifact, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """torch -> ONNX: named tensors, static shapes, weights inside the file."""
    import onnx

    files = {}
    for name, module in load_modules(parent).items():
        graph, path = parent.graphs[name], folder / f"{name}.onnx"
        _export(module, graph, path, step.options["exporter"] == "dynamo", int(step.options["opset"]))
        model = onnx.load(str(path))
        onnx.checker.check_model(model, full_check=True)
        graph.check_names([item.name for item in model.graph.input], [item.name for item in model.graph.output])
        files[name] = path
    return files, {"exporter": f"torch.onnx {step.options['exporter']}", "opset": step.options["opset"]}


def _export(module: Any, graph: GraphSpec, path: Path, dynamo: bool, opset: int) -> None:
    import torch

    arguments = tuple(torch.zeros(item.shape, dtype=getattr(torch, item.dtype)) for item in graph.inputs)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporters warn of their own deprecations and of constants
        torch.onnx.export(
            module,
            arguments,
            str(path),
            input_names=list(graph.input_names()),
            output_names=list(graph.output_names()),
            opset_version=opset,
            dynamo=dynamo,
            external_data=False,
            verbose=False,
        )


def convert(step: Step, parent: Artifact, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """The backend's own files, by its own conversion."""
    graphs = {graph.name: graph for graph in step.graphs}
    found: tuple[dict[str, Path], dict[str, Any]] = resolve(step.options["conversion"])(step.options, graphs, parent, folder)
    return found
