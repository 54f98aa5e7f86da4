"""OpenVINO graphs against each other, in turns in one process: ``python -m benchmarks.graphs FIRST.xml SECOND.xml ...``.

Each file is compiled with the threads and the precision of a tracking job (``FILE.xml@bf16`` names another precision) and gets
the same seeded images. In a round every graph runs ``--runs`` times, and each round begins with another graph. Prints each
graph's median time, and the first graph's time over its own, within a round: median [quartiles]. ``--profile`` lists the
layers of the last file instead, by type and by time; ``--products`` compares only the time in products (convolutions, projections,
matrix products), which is the most that any change of the other layers can reach. ``ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI`` (or ``AVX2``) takes instructions
away from all of them. Do not use the machine meanwhile.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import openvino as ov

from benchmarks.bars import is_quiet, quartiles
from benchmarks.run import Watch
from harness.machine.environment import cpu_info

PRODUCTS = ("Convolution", "GroupConvolution", "FullyConnected", "FullyConnectedQuantizedLegacy", "MatMul")
"""OpenVINO's types of layers that multiply."""


def main(words: list[str]) -> int:
    """Measures and prints; returns 1 if another process disturbed a round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--runs", type=int, default=25, help="of each graph in a round")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--profile", action="store_true", help="the layers of the last file")
    parser.add_argument("--products", action="store_true", help="compare the time in products alone, as the runtime reports it")
    parser.add_argument("files", nargs="+", help="FILE.xml, or FILE.xml@PRECISION (f32, bf16)")
    asked = parser.parse_args(words)
    if asked.profile:
        return profile(asked.files[-1], asked.threads)
    requests = {name: opened(name, asked.threads, **({"PERF_COUNT": True} if asked.products else {})) for name in asked.files}
    measure = products_of if asked.products else seconds_of
    spent: dict[str, list[float]] = {name: [] for name in requests}
    loads = []
    for request in requests.values():
        seconds_of(request, asked.runs)
    for number in range(asked.rounds):
        watch = Watch()
        shift = number % len(requests)
        for name in [*asked.files[shift:], *asked.files[:shift]]:
            spent[name].append(measure(requests[name], asked.runs))
        loads.append(watch.other())
    print(f"{cpu_info()['model']}, {asked.threads} threads, instructions: {os.environ.get('ONEDNN_MAX_CPU_ISA', 'all')}")
    for name in asked.files:
        low, middle, high = quartiles([first / own for first, own in zip(spent[asked.files[0]], spent[name], strict=True)])
        print(f"{median(spent[name]) * 1e3:8.3f} ms  {middle:.3f} [{low:.3f}, {high:.3f}]  {name}")
    disturbed = sum(not is_quiet(load) for load in loads)
    if disturbed:
        print(f"{disturbed} of {asked.rounds} rounds were disturbed by other processes")
    return 1 if disturbed else 0


def opened(name: str, threads: int, **more: Any) -> Any:
    """Returns an infer request whose inputs are filled."""
    file, _, precision = name.partition("@")
    if not Path(file).is_file():
        sys.exit(f"there is no file {file}; give the .xml file of a graph, as in outputs/cache/artifacts/KEY/search.xml")
    core = ov.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision or "f32", **more}
    compiled = core.compile_model(core.read_model(file), "CPU", settings)
    request = compiled.create_infer_request()
    generator = np.random.default_rng(0)
    for port in compiled.inputs:
        if port.get_element_type() == ov.Type.u8:
            array = generator.integers(0, 256, tuple(port.shape), dtype=np.uint8)
        else:
            array = generator.standard_normal(tuple(port.shape)).astype(np.float32)
        request.set_tensor(port.any_name, ov.Tensor(array))
    return request


def seconds_of(request: Any, runs: int) -> float:
    """Seconds of one inference, mean over ``runs``."""
    begin = perf_counter()
    for _ in range(runs):
        request.start_async()
        request.wait()
    return (perf_counter() - begin) / runs


def products_of(request: Any, runs: int) -> float:
    """Seconds that one inference spends in layers that multiply, mean over ``runs``."""
    spent = 0.0
    for _ in range(runs):
        seconds_of(request, 1)
        spent += sum(node.real_time.total_seconds() for node in request.profiling_info if node.node_type in PRODUCTS)
    return spent / runs


def profile(name: str, threads: int, runs: int = 40, warmup: int = 10) -> int:
    """Prints microseconds by type of layer with its kernel, and of every layer, slowest first."""
    request = opened(name, threads, PERF_COUNT=True)
    seconds_of(request, warmup)
    layers: dict[tuple[str, str, str], float] = {}
    for _ in range(runs):
        seconds_of(request, 1)
        for node in request.profiling_info:
            key = (node.node_type, node.exec_type, node.node_name)
            layers[key] = layers.get(key, 0.0) + node.real_time.total_seconds() * 1e6 / runs
    ran = {key: value for key, value in layers.items() if value > 0}
    kinds: dict[str, list[float]] = {}
    for (kind, kernel, _), value in ran.items():
        kinds.setdefault(f"{kind} {kernel}", []).append(value)
    print(f"{sum(ran.values()):.0f} us in {len(ran)} layers")
    for kind, values in sorted(kinds.items(), key=lambda item: -sum(item[1])):
        print(f"{sum(values):8.0f} us {len(values):4d} {kind}")
    print_rows(sorted(ran.items(), key=lambda item: -item[1]))
    return 0


def print_rows(rows: Sequence[tuple[tuple[str, str, str], float]]) -> None:
    """Prints a line per layer."""
    for (kind, kernel, name), value in rows:
        print(f"{value:8.1f} us {kind:<16} {kernel:<28} {name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
