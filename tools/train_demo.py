"""Trains the demo tracker's weights from nothing, on generated pairs: ``python tools/train_demo.py``.

Pairs are drawn in chunks between training phases (two busy processes on two cores would take from each other);
each chunk is seen ``--passes`` times, from the second time on mirrored and with its colour channels exchanged.
Every step is a function of the seed and the step's number, so that an interrupted run, started again with the
same command, goes on from its last checkpoint and ends with the same weights (on CPU, with as many threads).
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import math
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from demo_loss import tracking_loss  # noqa: E402
from demo_pairs import SEARCH, TEMPLATE, Pairs, pairs  # noqa: E402

from harness.datasets.drawing import VERSION, generator  # noqa: E402
from harness.networks.smat import SMAT  # noqa: E402
from harness.results import write_bytes  # noqa: E402

_ORDER_STREAM = 2
_BLOCK = 128


@dataclass(frozen=True)
class Plan:
    """All that the weights depend on, apart from the code, the threads and the device."""

    samples: int = 300_000
    batch: int = 48
    chunk: int = 3072
    passes: int = 2
    width: float = 0.25
    head: int = 48
    rate: float = 1.5e-3
    decay: float = 1e-4
    warm: int = 200
    average: float = 0.999
    seed: int = 1
    bf16: bool = False

    @property
    def steps(self) -> int:
        return self.samples // self.batch

    @property
    def phase(self) -> int:
        """Steps per chunk."""
        return self.chunk * self.passes // self.batch

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to 1 % at the last step."""
        if step < self.warm:
            return self.rate * (step + 1) / self.warm
        done = (step - self.warm) / max(self.steps - self.warm, 1)
        return self.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


# ------------------------------------------------------------------------------------------ drawing


def _quiet_worker() -> None:
    cv2.setNumThreads(1)


class Painter:
    """Draws chunks of pairs with ``workers`` processes that sleep while the network trains."""

    def __init__(self, seed: int, workers: int) -> None:
        self.seed = seed
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(workers, context, _quiet_worker) if workers > 1 else None

    def chunk(self, number: int, count: int) -> Pairs:
        first = number * count
        starts = range(first, first + count, _BLOCK)
        sizes = [min(_BLOCK, first + count - start) for start in starts]
        if self.pool is None:
            return pairs("train", self.seed, first, count)
        jobs = [self.pool.submit(pairs, "train", self.seed, s, n) for s, n in zip(starts, sizes, strict=True)]
        parts = [job.result() for job in jobs]
        return Pairs(
            np.concatenate([part.template for part in parts]),
            np.concatenate([part.search for part in parts]),
            np.concatenate([part.box for part in parts]),
        )

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)


def phase_batches(plan: Plan, number: int) -> list[tuple[np.ndarray, bool, np.ndarray]]:
    """For every step of a phase: indices into the chunk, whether mirrored, the order of the colour channels."""
    rng = generator("train", plan.seed, _ORDER_STREAM, number)
    batches = []
    for turn in range(plan.passes):
        order = rng.permutation(plan.chunk)
        for start in range(0, plan.chunk, plan.batch):
            channels = rng.permutation(3) if turn else np.arange(3)
            batches.append((order[start : start + plan.batch], turn % 2 == 1, channels))
    return batches


def tensors(data: Pairs, index: np.ndarray, mirror: bool, channels: np.ndarray, device: str) -> tuple[Tensor, ...]:
    """A batch in channels_last: template and search in [0, 1], box ``[B, 4]``."""
    box = torch.from_numpy(data.box[index])
    if mirror:
        box[:, 0] = 1 - box[:, 0]
    images = []
    for images_of in (data.template, data.search):
        picked = images_of[index][..., channels]
        picked = picked[:, :, ::-1] if mirror else picked
        image = torch.from_numpy(np.ascontiguousarray(picked)).to(device)
        images.append(image.permute(0, 3, 1, 2).float().div_(255))
    return images[0], images[1], box.to(device)


# ------------------------------------------------------------------------------------------ training


class Trainer:
    """Network, its running average and the optimiser; ``step`` counts the batches done."""

    def __init__(self, plan: Plan, device: str) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.device = plan, device
        self.network = self._network()
        self.average = self._network()
        self.average.load_state_dict(self.network.state_dict())
        self.average.eval().requires_grad_(False)
        matrices = [p for p in self.network.parameters() if p.ndim > 1]
        vectors = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": plan.decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=plan.rate)
        self.order = matrices + vectors
        self.step = 0
        self.seconds = 0.0

    def _network(self) -> SMAT:
        network = SMAT(width=self.plan.width, template=TEMPLATE, search=SEARCH, head=self.plan.head)
        return network.to(self.device, memory_format=torch.channels_last).train()

    def train(self, template: Tensor, search: Tensor, box: Tensor) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        kind = torch.device(self.device).type
        with torch.autocast(kind, torch.bfloat16, enabled=self.plan.bf16):
            maps = self.network(self.network.stem(template), search)
        loss, terms = tracking_loss(*maps, box)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()
        self.step += 1
        self._follow()
        return {"loss": loss.item(), **terms}

    @torch.no_grad()
    def _follow(self) -> None:
        keep = min(self.plan.average, self.step / (self.step + 10))
        mine, theirs = self.average.state_dict(), self.network.state_dict()
        for name, value in mine.items():
            if value.is_floating_point():
                value.lerp_(theirs[name], 1 - keep)
            else:
                value.copy_(theirs[name])

    # checkpoints: tensors and one line of JSON, nothing that could run code ------------------------

    def save(self, path: Path) -> None:
        data = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        data |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for index, parameter in enumerate(self.order):
            state = self.optimiser.state[parameter]
            data |= {f"optimiser.{index}.{k}": v for k, v in state.items()}
        data = {k: v.detach().cpu().contiguous().clone() for k, v in data.items()}
        notes = {"plan": json.dumps(asdict(self.plan)), "step": str(self.step), "seconds": f"{self.seconds:.1f}"}
        write_bytes(path, safetensors_bytes(data, notes))

    def resume(self, path: Path) -> None:
        """Goes on from ``path``. Raises SystemExit where it was made by another plan."""
        with safe_open(path, framework="pt") as file:
            notes = file.metadata()
            if json.loads(notes["plan"]) != asdict(self.plan):
                raise SystemExit(f"{path} was made with other settings ({notes['plan']}); use them or another --state.")
            data = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        for prefix, network in (("network.", self.network), ("average.", self.average)):
            network.load_state_dict({k.removeprefix(prefix): v for k, v in data.items() if k.startswith(prefix)})
        for index, parameter in enumerate(self.order):
            prefix = f"optimiser.{index}."
            state = {k.removeprefix(prefix): v for k, v in data.items() if k.startswith(prefix)}
            self.optimiser.state[parameter] = {
                k: v if k == "step" else v.to(self.device, memory_format=torch.preserve_format).reshape(parameter.shape)
                for k, v in state.items()
            }
        self.step, self.seconds = int(notes["step"]), float(notes["seconds"])

    def digest(self) -> str:
        """SHA-256 of the averaged weights, by name."""
        return state_digest(self.average.state_dict())


def state_digest(state: dict[str, Tensor]) -> str:
    """SHA-256 over names, shapes and values."""
    total = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        total.update(f"{name}{tuple(value.shape)}".encode() + value.numpy().tobytes())
    return total.hexdigest()


def commit() -> str:
    """The repository's commit, with ``+changes`` where tracked files differ from it; ``unknown`` outside git."""
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine() -> str:
    """Processor, threads and torch of this machine, in a line."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def export(trainer: Trainer, path: Path) -> None:
    """The averaged weights as float32 safetensors under the published names; the header tells their history."""
    state = {k: v.detach().cpu().contiguous() for k, v in trainer.average.state_dict().items()}
    state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    plan = trainer.plan
    notes = {
        "format": "pt",
        "network": json.dumps({"width": plan.width, "template": TEMPLATE, "search": SEARCH, "head": plan.head}),
        "commit": commit(),
        "seed": str(plan.seed),
        "seed_space": "train",
        "drawing_version": str(VERSION),
        "samples_seen": str(trainer.step * plan.batch),
        "steps": str(trainer.step),
        "plan": json.dumps(asdict(plan)),
        "training_seconds": f"{trainer.seconds:.0f}",
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "digest": trainer.digest(),
    }
    write_bytes(path, safetensors_bytes(state, notes))


def run(plan: Plan, state: Path, device: str, workers: int, stop: int | None, every: float, out: Path | None) -> Trainer:
    """Trains to the plan's end (or to step ``stop``), saving to ``state`` every ``every`` seconds and at the end."""
    trainer = Trainer(plan, device)
    if state.is_file():
        trainer.resume(state)
    last = plan.steps if stop is None else min(stop, plan.steps)
    painter = Painter(plan.seed, workers)
    bar = tqdm(total=last * plan.batch, initial=trainer.step * plan.batch, unit="pair", mininterval=2, smoothing=0.05)
    saved = clock = time.monotonic()
    mean: dict[str, float] = {}
    try:
        while trainer.step < last:
            number, done = divmod(trainer.step, plan.phase)
            data = painter.chunk(number, plan.chunk)
            for index, mirror, channels in phase_batches(plan, number)[done:]:
                terms = trainer.train(*tensors(data, index, mirror, channels, device))
                mean = {k: mean.get(k, v) * 0.98 + 0.02 * v for k, v in terms.items()}
                bar.update(plan.batch)
                bar.set_postfix({k: f"{v:.3f}" for k, v in mean.items()}, refresh=False)
                now = time.monotonic()
                trainer.seconds, clock = trainer.seconds + now - clock, now
                if now - saved > every:
                    trainer.save(state)
                    saved = now
                if trainer.step >= last:
                    break
    finally:
        bar.close()
        painter.close()
    trainer.save(state)
    if out is not None:
        export(trainer, out)
    return trainer


def keep_memory() -> None:
    """Lets glibc keep large blocks instead of mapping fresh zeroed pages for every tensor (M_MMAP_THRESHOLD -3,
    M_TRIM_THRESHOLD -1); without it page faults take a third of the time."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 1 << 30)
        libc.mallopt(-1, 1 << 30)
    except (OSError, AttributeError):
        pass


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    plan = Plan()
    for name, value in asdict(plan).items():
        if isinstance(value, bool):
            parser.add_argument(f"--{name}", action="store_true", help="forward pass in bfloat16")
        else:
            parser.add_argument(f"--{name}", type=type(value), default=value, help=" ")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads, drawing processes")
    parser.add_argument("--state", type=Path, default=Path("outputs/train_demo/state.safetensors"), help="checkpoint")
    parser.add_argument("--out", type=Path, default=Path("outputs/train_demo/smat_demo.safetensors"), help="weights")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between checkpoints")
    parser.add_argument("--stop", type=int, default=None, help="leave after this step, to go on another time")
    parser.add_argument("--export-only", action="store_true", help="write --out from --state and leave")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    args = arguments(words)
    plan = Plan(**{name: getattr(args, name) for name in asdict(Plan())})
    if plan.chunk % plan.batch:
        raise SystemExit(f"--chunk {plan.chunk} must be a multiple of --batch {plan.batch}.")
    keep_memory()
    torch.set_num_threads(args.threads)
    if args.export_only:
        trainer = Trainer(plan, args.device)
        trainer.resume(args.state)
        export(trainer, args.out)
    else:
        trainer = run(plan, args.state, args.device, args.threads, args.stop, args.every, args.out)
    print(f"step {trainer.step}, {trainer.step * plan.batch} samples, digest {trainer.digest()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
