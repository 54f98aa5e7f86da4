"""Trains the demo tracker's weights from scratch on generated pairs: ``python tools/train_demo.py``.

``--ranks`` processes of one thread each may share every batch (small layers gain nothing from a second thread: one
thread trains 70 pairs a second of processor time, two together 40): each draws its part of a chunk, trains on it,
and gradients and batch-norm statistics are averaged after every step. Drawing and training take turns. Each chunk
is seen ``--passes`` times, from the second time on mirrored and with its colour channels exchanged.

Every step is a function of the plan and the step's number, so that an interrupted run, started again with the same
command, continues from its last checkpoint and ends with the same weights (on CPU).
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence as Seq
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from demo_loss import MATCH, matching_loss, tracking_loss  # noqa: E402
from demo_pairs import SEARCH, SEARCH_FACTOR, TEMPLATE, TEMPLATE_FACTOR, Pairs, pairs  # noqa: E402

from harness.core.files import write_bytes  # noqa: E402
from harness.datasets.demo.maps import VERSION, generator  # noqa: E402
from harness.trackers.smat.network import SMAT, AttentionBlock  # noqa: E402

_ORDER_STREAM = 2
GREY = 1 / 12
"""Share of the samples without colour: thermal and grey video is tracked too."""


@dataclass(frozen=True)
class Plan:
    """Everything that the weights depend on, except the code and the device.

    The rate warms up over ``warm`` steps, stays, and falls linearly to 1 % over the last ``tail`` samples; so a run
    can be given another end as long as its tail has not begun. From chunk ``crowd`` on pairs are crowded: a network
    that sees no others learns slowly, one that sees none finds what is salient and ignores the template. From chunk
    ``match`` on the matching loss counts too, from ``wide`` on the search crop's scale varies more.
    """

    samples: int = field(default=330_000, metadata={"help": "samples to see in all"})
    tail: int = field(default=90_000, metadata={"help": "samples over which the rate falls at the end"})
    batch: int = field(default=12, metadata={"help": "samples a step"})
    ranks: int = field(default=1, metadata={"help": "processes that share a batch"})
    chunk: int = field(default=3072, metadata={"help": "pairs drawn at once, between phases of training"})
    passes: int = field(default=2, metadata={"help": "times that a chunk is seen (mirrored and recoloured from the second on)"})
    crowd: int = field(default=13, metadata={"help": "first chunk of crowded pairs"})
    match: int = field(default=19, metadata={"help": "first chunk with the matching loss"})
    wide: int = field(default=28, metadata={"help": "first chunk whose search crops vary more in scale"})
    width: float = field(default=0.25, metadata={"help": "the network's width over the published one's"})
    head: int = field(default=48, metadata={"help": "channels of the head"})
    rate: float = field(default=1.0e-3, metadata={"help": "learning rate at its highest"})
    decay: float = field(default=1e-4, metadata={"help": "AdamW's weight decay"})
    warm: int = field(default=400, metadata={"help": "steps over which the rate rises"})
    average: float = field(default=0.999, metadata={"help": "decay of the running average of the weights, which is what is kept"})
    seed: int = field(default=1, metadata={"help": "of weights and pairs"})
    bf16: bool = field(default=False, metadata={"help": "forward pass in bfloat16"})

    def __post_init__(self) -> None:
        if self.batch % self.ranks or self.chunk % self.batch or self.samples < self.batch:
            raise SystemExit(
                f"--ranks {self.ranks} must divide --batch {self.batch}, which must divide --chunk {self.chunk} and "
                f"be no larger than --samples {self.samples}."
            )

    @property
    def steps(self) -> int:
        return self.samples // self.batch

    @property
    def phase(self) -> int:
        """Steps per chunk."""
        return self.chunk * self.passes // self.batch

    @property
    def level(self) -> int:
        """The step at which the rate begins to fall."""
        return max(0, self.samples - self.tail) // self.batch

    def rate_at(self, step: int) -> float:
        if step < self.warm:
            return self.rate * (step + 1) / self.warm
        left = (self.steps - step) / max(self.steps - self.level, 1)
        return self.rate * (0.01 + 0.99 * min(max(left, 0.0), 1.0))

    def continues(self, other: Plan, step: int) -> bool:
        """Whether a run of ``other``, interrupted after ``step`` steps, is the beginning of a run of this plan."""
        stages = [(getattr(self, name), getattr(other, name)) for name in ("crowd", "match", "wide")]
        stages.append((self.level / self.phase, other.level / self.phase))  # type: ignore[arg-type]
        movable = {name: getattr(self, name) for name in ("samples", "tail", "crowd", "match", "wide")}
        same = replace(other, **movable) == self
        return same and all(a == b or step / self.phase <= min(a, b) for a, b in stages)


# ------------------------------------------------------------------------------------------ batches


def draw_share(plan: Plan, rank: int, number: int) -> Pairs:
    """The part of chunk ``number`` that ``rank`` trains on."""
    count = plan.chunk // plan.ranks
    first = number * plan.chunk + rank * count
    return pairs("train", plan.seed, first, count, number >= plan.crowd, number >= plan.wide)


Batch = tuple[np.ndarray, bool, np.ndarray]


def phase_batches(plan: Plan, rank: int, number: int) -> list[Batch]:
    """For every step of a phase: indices into the share, whether mirrored, the order of the colour channels."""
    rng = generator("train", plan.seed, _ORDER_STREAM, rank, number)
    count, size = plan.chunk // plan.ranks, plan.batch // plan.ranks
    batches = []
    for turn in range(plan.passes):
        order = rng.permutation(count)
        for start in range(0, count, size):
            channels = rng.permutation(3) if turn else np.arange(3)
            batches.append((order[start : start + size], turn % 2 == 1, channels))
    return batches


def tensors(data: Pairs, batch: Batch, device: str) -> tuple[Tensor, ...]:
    """A batch in channels_last: template and search in [0, 1], box ``[B, 4]``; its first samples lose their colour."""
    index, mirror, channels = batch
    box = torch.from_numpy(data.box[index])
    if mirror:
        box[:, 0] = 1 - box[:, 0]
    grey = round(len(index) * GREY)
    images = []
    for images_of in (data.template, data.search):
        picked = images_of[index][..., channels]
        picked[:grey] = picked[:grey].mean(-1, keepdims=True).astype(np.uint8)
        picked = picked[:, :, ::-1] if mirror else picked
        image = torch.from_numpy(np.ascontiguousarray(picked)).to(device)
        images.append(image.permute(0, 3, 1, 2).float().div_(255))
    return images[0], images[1], box.to(device)


class Exchange:
    """Averages a vector over the ranks through shared memory; every rank gets the same sum, in the same order."""

    def __init__(self, context: Any, ranks: int, length: int) -> None:
        self.rows = torch.zeros(ranks, length).share_memory_()
        self.barrier = context.Barrier(ranks)

    def mean(self, rank: int, vector: Tensor) -> Tensor:
        self.rows[rank] = vector
        self.barrier.wait(1800)
        result = self.rows.mean(0)
        self.barrier.wait(1800)
        return result


# ------------------------------------------------------------------------------------------ training


class Trainer:
    """Network, its running average and the optimiser; ``step`` counts the batches done."""

    def __init__(self, plan: Plan, device: str) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.device = plan, device
        self.network = self._network()
        calm_residuals(self.network)
        self.average = self._network()
        self.average.load_state_dict(self.network.state_dict())
        self.average.eval().requires_grad_(False)
        matrices = [p for p in self.network.parameters() if p.ndim > 1]
        vectors = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": plan.decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=plan.rate, fused=True)
        self.order = matrices + vectors
        theirs = self.network.state_dict()
        floats = {k: v for k, v in self.average.state_dict().items() if v.is_floating_point()}
        self.averaged, self.followed = list(floats.values()), [theirs[k] for k in floats]
        self.step = 0
        self.seconds = 0.0
        self.features: dict[str, Tensor] = {}
        for name, module in self.network.neck.named_children():
            module.register_forward_hook(self._keeper(name))

    def _network(self) -> SMAT:
        network = SMAT(width=self.plan.width, template=TEMPLATE, search=SEARCH, head=self.plan.head)
        if self.plan.bf16:
            spare_slow_kernels(network)
        return network.to(self.device, memory_format=torch.channels_last).train()

    def _keeper(self, name: str) -> Callable[[object, object, Tensor], None]:
        def keep(module: object, inputs: object, output: Tensor) -> None:
            self.features[name] = output

        return keep

    def shared(self) -> list[Tensor]:
        """What the ranks average after a step: batch-norm statistics."""
        return [b for b in self.network.buffers() if b.is_floating_point()]

    def length(self) -> int:
        """Numbers that the ranks exchange per step."""
        return sum(t.numel() for t in [*self.order, *self.shared()])

    @torch.no_grad()
    def _agree(self, exchange: Exchange, rank: int) -> None:
        for parameter in self.order:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        parts = [p.grad for p in self.order] + self.shared()
        mean = exchange.mean(rank, torch.cat([part.reshape(-1) for part in parts]))
        for part, piece in zip(parts, mean.split([part.numel() for part in parts]), strict=True):
            part.copy_(piece.view(part.shape))

    def train(
        self, template: Tensor, search: Tensor, box: Tensor, exchange: Exchange | None = None, rank: int = 0
    ) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        kind = torch.device(self.device).type
        with torch.autocast(kind, torch.bfloat16, enabled=self.plan.bf16):
            maps = self.network(self.network.stem(template), search)
        loss, terms = tracking_loss(*maps, box)
        if self.step // self.plan.phase >= self.plan.match:
            match = matching_loss(self.features["BN_x"], self.features["BN_z"], box)
            loss, terms["match"] = loss + MATCH * match, match.item()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if exchange is not None:
            self._agree(exchange, rank)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()
        self.step += 1
        self._follow()
        return {"loss": loss.item(), **terms}

    @torch.no_grad()
    def _follow(self) -> None:
        keep = min(self.plan.average, self.step / (self.step + 10))
        torch._foreach_lerp_(self.averaged, self.followed, 1 - keep)

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
        """Continues from ``path``. Raises SystemExit if it was made with another plan."""
        with safe_open(path, framework="pt") as file:
            notes = file.metadata()
            made = Plan(**{"wide": 1 << 30, **json.loads(notes["plan"])})
            if not self.plan.continues(made, int(notes["step"])):
                raise SystemExit(f"{path} was made with other settings ({notes['plan']}); use them or another --state.")
            data = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        for prefix, network in (("network.", self.network), ("average.", self.average)):
            network.load_state_dict({k.removeprefix(prefix): v for k, v in data.items() if k.startswith(prefix)})
        for index, parameter in enumerate(self.order):
            prefix = f"optimiser.{index}."
            state = {k.removeprefix(prefix): v for k, v in data.items() if k.startswith(prefix)}
            # The fused optimiser goes through memory in order: moments need the parameter's own layout.
            self.optimiser.state[parameter] = {
                k: v.to(self.device) if k == "step" else torch.empty_like(parameter.detach()).copy_(v)
                for k, v in state.items()
            }
        self.step, self.seconds = int(notes["step"]), float(notes["seconds"])

    def digest(self) -> str:
        """SHA-256 of the averaged weights, by name."""
        return state_digest(self.average.state_dict())


@torch.no_grad()
def calm_residuals(network: torch.nn.Module) -> None:
    """Sets the last layer of every residual branch of the attention blocks to zero, so that each begins as the identity
    (zero-init residual: Goyal et al., 2017): 24 random branches in a row hide the features they carry."""
    for module in network.modules():
        if isinstance(module, AttentionBlock):
            for last in (module.pre_norm_attn[1].out_proj, module.pre_norm_ffn[3]):
                last.block.conv.weight.zero_()


def spare_slow_kernels(network: torch.nn.Module) -> None:
    """Runs depthwise convolutions of stride 2 in float32: oneDNN's bfloat16 gradient of them is 6 to 9 times
    slower (38 against 6 ms for 24 x 32 x 64 x 64), a quarter of a step's time."""
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module.groups > 1 and module.stride == (2, 2):
            module.forward = _in_float32(module)  # type: ignore[method-assign]


def _in_float32(conv: torch.nn.Conv2d) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return conv._conv_forward(x.float(), conv.weight, conv.bias)

    return forward


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
    """Processor and torch of this machine, in a line."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, torch {torch.__version__}"


def export(trainer: Trainer, path: Path) -> None:
    """The averaged weights as float32 safetensors under the published names; the header tells their history."""
    state = {k: v.detach().cpu().contiguous() for k, v in trainer.average.state_dict().items()}
    state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    plan = trainer.plan
    notes = {
        "format": "pt",
        "network": json.dumps({"width": plan.width, "template": TEMPLATE, "search": SEARCH, "head": plan.head}),
        "crop": json.dumps({"template_factor": TEMPLATE_FACTOR, "search_factor": SEARCH_FACTOR}),
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


@dataclass(frozen=True)
class Job:
    """One run: the place of its state, its length, and its ranks."""

    plan: Plan
    state: Path
    device: str = "cpu"
    stop: int | None = None
    every: float = 60.0
    exchange: Exchange | None = None

    @property
    def last(self) -> int:
        return self.plan.steps if self.stop is None else min(self.stop, self.plan.steps)


def run(job: Job) -> Trainer:
    """Trains to the plan's end, or to step ``stop``; starts the other ranks, which end by themselves."""
    plan = job.plan
    if plan.ranks == 1:
        return train_rank(job, 0)
    context = starter()
    job = replace(job, exchange=Exchange(context, plan.ranks, Trainer(plan, job.device).length()))
    helpers = [context.Process(target=_helper, args=(job, rank), daemon=True) for rank in range(1, plan.ranks)]
    for helper in helpers:
        helper.start()
    try:
        return train_rank(job, 0)
    finally:
        job.exchange.barrier.abort()
        for helper in helpers:
            helper.join(60)


def _helper(job: Job, rank: int) -> None:
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    keep_memory()
    with contextlib.suppress(threading.BrokenBarrierError):  # rank 0 has ended or failed, and reports it itself
        train_rank(job, rank)


def starter() -> Any:
    """How the other ranks start: forked from one process that has made the imports, or anew where that is not possible."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "torch", "cv2"])
    return context


def _leave_with_parent() -> None:
    """Ends this rank if rank 0 was killed without notice; it would wait for it at the barrier otherwise."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def train_rank(job: Job, rank: int) -> Trainer:
    """The work of one rank; rank 0 shows the progress and saves every ``every`` seconds and at the end."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    plan, trainer = job.plan, Trainer(job.plan, job.device)
    if job.state.is_file():
        trainer.resume(job.state)
    if job.exchange is not None:
        job.exchange.barrier.wait(1800)  # no rank saves before all have read
    bar = tqdm(
        total=job.last * plan.batch, initial=trainer.step * plan.batch, unit="pair", mininterval=2, smoothing=0.05,
        disable=rank != 0,
    )  # fmt: skip
    saved = clock = time.monotonic()
    mean: dict[str, float] = {}
    while trainer.step < job.last:
        number, done = divmod(trainer.step, plan.phase)
        data = draw_share(plan, rank, number)
        for batch in phase_batches(plan, rank, number)[done:]:
            terms = trainer.train(*tensors(data, batch, job.device), job.exchange, rank)
            mean = {k: mean.get(k, v) * 0.98 + 0.02 * v for k, v in terms.items()}
            bar.update(plan.batch)
            bar.set_postfix({k: f"{v:.3f}" for k, v in mean.items()}, refresh=False)
            now = time.monotonic()
            trainer.seconds, clock = trainer.seconds + now - clock, now
            if rank == 0 and now - saved > job.every:
                trainer.save(job.state)
                saved = now
            if trainer.step >= job.last:
                break
    bar.close()
    if rank == 0:
        trainer.save(job.state)
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


def arguments(words: Seq[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    plan = Plan()
    for item in fields(plan):
        told = item.metadata["help"]
        if isinstance(item.default, bool):
            parser.add_argument(f"--{item.name}", action="store_true", help=told)
        else:
            parser.add_argument(f"--{item.name}", type=type(item.default), default=item.default, help=told)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda")
    parser.add_argument("--state", type=Path, default=Path("outputs/train_demo/state.safetensors"), help="checkpoint")
    parser.add_argument("--out", type=Path, default=Path("outputs/train_demo/smat_demo.safetensors"), help="weights")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between checkpoints")
    parser.add_argument("--stop", type=int, default=None, help="leave after this step, to go on another time")
    parser.add_argument("--export-only", action="store_true", help="write --out from --state and leave")
    return parser.parse_args(words)


def main(words: Seq[str] | None = None) -> int:
    args = arguments(words)
    plan = Plan(**{name: getattr(args, name) for name in asdict(Plan())})
    keep_memory()
    if args.export_only:
        torch.set_num_threads(1)
        trainer = Trainer(plan, args.device)
        trainer.resume(args.state)
    else:
        trainer = run(Job(plan, args.state, args.device, args.stop, args.every))
    export(trainer, args.out)
    print(f"step {trainer.step}, {trainer.step * plan.batch} samples, digest {trainer.digest()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
