"""``device=cpu`` for code that speaks of CUDA alone.

Many repositories write ``.cuda()`` or ``.to("cuda")`` where they mean the device that they run on, and stop on a machine
without a card. Where the job is for the processor and torch finds no CUDA device, such calls can only fail; they then leave a tensor where
it is. Nothing is changed where there is a device, and what was changed is told among the tracker's facts.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSALS = ("not compiled with CUDA", "No CUDA GPUs", "NVIDIA driver", "no CUDA-capable device")
"""What torch says where CUDA is asked for and there is none."""
FACT = "calls for CUDA stay on the processor (device=cpu)"


class Processor:
    """Keeps a tracker's tensors on the processor. ``wanted`` is whether the job is for the processor."""

    def __init__(self, wanted: bool) -> None:
        self.wanted, self.stays, self.calls = wanted, False, 0

    def build(self, make: Callable[[], Any]) -> Any:
        """What ``make`` builds; made once more where it stopped for want of CUDA."""
        try:
            made = make()
        except (AssertionError, RuntimeError) as error:
            if self.stays or not any(words in str(error) for words in REFUSALS) or not self.stay():
                raise
            made = make()
        self.stay()  # what is asked for later, in the first frame perhaps
        return made

    def stay(self) -> bool:
        """Makes calls for CUDA leave tensors where they are; returns whether they do."""
        torch = sys.modules.get("torch")
        if not self.stays and self.wanted and torch is not None and not torch.cuda.is_available():
            self.stays = True
            own, to = self, torch.Tensor.to

            def stay_put(tensor: Any, *arguments: Any, **options: Any) -> Any:
                own.calls += 1
                return tensor

            def to_processor(tensor: Any, *arguments: Any, **options: Any) -> Any:
                if any(is_cuda(value) for value in (*arguments, *options.values())):
                    own.calls += 1
                    arguments = tuple("cpu" if is_cuda(value) else value for value in arguments)
                    options = {name: "cpu" if is_cuda(value) else value for name, value in options.items()}
                return to(tensor, *arguments, **options)

            torch.Tensor.cuda, torch.Tensor.to = stay_put, to_processor  # a module's own calls end in these
        return self.stays

    def facts(self) -> dict[str, str]:
        """What is to be known of it."""
        return {"cuda": FACT} if self.calls else {}


def is_cuda(value: Any) -> bool:
    """Whether an argument names a CUDA device."""
    kind = type(value).__module__ + "." + type(value).__name__
    return (isinstance(value, str) or kind == "torch.device") and str(value).split(":")[0] == "cuda"
