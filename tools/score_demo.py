"""Scores weights of the demo tracker in plain torch during training: ``python tools/score_demo.py``.

The official figures come from ``python -m harness tracker=smat_demo``; this is a quick check, with a baseline that
keeps the first box.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from harness.core.interfaces import Array, Arrays, Dataset, GraphSpec, NamedArrays  # noqa: E402
from harness.datasets.demo.dataset import Demo  # noqa: E402
from harness.datasets.folder import Folder  # noqa: E402
from harness.scoring.overlap import ao, iou, sr  # noqa: E402
from harness.trackers.smat.graphs import graphs  # noqa: E402
from harness.trackers.smat.tracker import Smat  # noqa: E402
from harness.tracking.loop import Runner  # noqa: E402

DEFAULT = ROOT / "harness" / "weights" / "smat_demo.safetensors"


@dataclass
class TorchSession:
    """A torch graph as a Session."""

    spec: GraphSpec
    module: torch.nn.Module

    def run(self, inputs: NamedArrays) -> Arrays:
        with torch.inference_mode():
            out = self.module(*(torch.from_numpy(inputs[name]) for name in self.spec.input_names()))
        maps = out if isinstance(out, tuple) else (out,)
        return {name: value.numpy() for name, value in zip(self.spec.output_names(), maps, strict=True)}


def header(weights: Path) -> tuple[dict[str, float], dict[str, float]]:
    """The network's options and the crops' factors from the header of ``weights``."""
    with safe_open(weights, framework="pt") as file:
        notes = file.metadata()
    return json.loads(notes["network"]), json.loads(notes["crop"])


def overlaps(weights: Path, dataset: Dataset) -> dict[str, tuple[Array, Array]]:
    """Per sequence the IoU ``[T - 1]`` of the tracker's boxes and of the first box kept."""
    built, crop = header(weights)
    spec = Smat(
        name="smat_demo",
        weights=str(weights),
        width=built["width"],
        template_size=int(built["template"]),
        search_size=int(built["search"]),
        head_channels=int(built["head"]),
        template_factor=crop["template_factor"],
        search_factor=crop["search_factor"],
    )
    modules = graphs([weights], **built)
    sessions = {name: TorchSession(graph, modules[name]) for name, graph in spec.graphs.items()}
    runner, found = Runner(spec, sessions), {}
    for sequence in dataset:
        truth = sequence.truth
        assert truth is not None
        seen = np.ones(len(truth), bool) if sequence.visible is None else sequence.visible
        boxes = runner.track(sequence).boxes
        still = np.repeat(truth[:1], len(truth), 0)
        found[sequence.name] = tuple(iou(b[1:], truth[1:], sequence.size)[seen[1:]] for b in (boxes, still))
    return found


def line(name: str, ious: Array, still: Array) -> str:
    return f"{name:28s} AO {ao(ious):.3f}  SR0.50 {sr(ious, 0.5):.3f}  SR0.75 {sr(ious, 0.75):.3f}  first box {ao(still):.3f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=DEFAULT)
    parser.add_argument("--root", default="", help="a folder in the GOT-10k layout; empty: the demo data set")
    parser.add_argument("--split", default="val")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    dataset = Folder(root=args.root, split=args.split) if args.root else Demo(split=args.split)
    found = overlaps(args.weights, dataset)
    for name, (ious, still) in found.items():
        print(line(name, ious, still))
    print(line("all (frame-pooled)", *(np.concatenate([pair[k] for pair in found.values()]) for k in range(2))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
