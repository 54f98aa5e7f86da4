"""Lets torch's exporter do what it repeats once in a process: it lists its operators for each graph, and searches each graph for patterns node by node."""

from __future__ import annotations

import copy
import functools
from typing import Any

REGISTRATION = "torch.onnx._internal.exporter._registration"


@functools.cache
def hasten() -> None:
    """For the rest of this process exports are made as ever, without the repetitions."""
    list_once()
    look_first()


def list_once() -> None:
    """Makes the list now, which takes a second; each export gets a copy."""
    from torch.onnx._internal.exporter import _constants, _registration

    made = functools.cache(_registration.ONNXRegistry.from_torchlib)

    def copied(cls: Any, opset_version: int = _constants.TORCHLIB_OPSET) -> Any:
        del cls
        registry = copy.copy(made(opset_version))
        registry.functions = {target: list(known) for target, known in registry.functions.items()}
        return registry

    _registration.ONNXRegistry.from_torchlib = classmethod(copied)  # type: ignore[method-assign,assignment]
    made(_constants.TORCHLIB_OPSET)


def look_first() -> None:
    """A pattern whose first node has another operator cannot match: found before the whole graph is sorted by operators, which is done for each node and pattern."""
    from onnxscript.rewriter import _basics, _matcher

    whole = _matcher.SimplePatternMatcher.match

    def match(self: Any, model: Any, graph_or_function: Any, node: Any, **options: Any) -> Any:
        if self.pattern.output_nodes[0].op.matches(node.op_type):
            return whole(self, model, graph_or_function, node, **options)
        return _basics.MatchResult().fail("another operator", node)

    _matcher.SimplePatternMatcher.match = match  # type: ignore[method-assign]
