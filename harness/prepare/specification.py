"""Checks a tracker's specification before anything is prepared.

Each mistake of the user is reported in one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from harness.core.errors import ConfigError, HarnessError, in_words, told
from harness.core.interfaces import GraphSpec, Source, TrackerSpec

T = TypeVar("T")


def check(spec: TrackerSpec) -> None:
    """Raises ConfigError (or the specification's own error, such as WeightsError) if ``spec`` cannot be run."""
    name = f"{type(spec).__module__}.{type(spec).__qualname__}"
    if spec.color not in ("rgb", "bgr"):
        raise ConfigError(f"{name}.color is {spec.color!r}; accepted: rgb, bgr.")
    graphs = _ask(f"{name}.graphs", lambda: spec.graphs)
    source = _ask(f"{name}.source", spec.source)
    if not isinstance(source, Source):
        raise ConfigError(f"{name}.source returned a {type(source).__name__}; accepted: a Source.")
    if source.kind == "native":
        if graphs:
            raise ConfigError(f"{name}.graphs names {', '.join(graphs)}, and its source is native, which has none; return {{}}.")
        return
    _check_graphs(f"{name}.graphs", graphs)
    runs = _ask(f"{name}.per_frame", lambda: spec.per_frame)
    if not isinstance(runs, (tuple, list)) or not runs:
        raise ConfigError(f"{name}.per_frame is {runs!r}; accepted: the names of graphs, in a tuple.")
    unknown = [str(graph) for graph in runs if graph not in graphs]
    if unknown:
        raise ConfigError(f"{name}.per_frame names {', '.join(unknown)}; graphs: {', '.join(graphs)}.")


def _ask(what: str, question: Callable[[], T]) -> T:
    """Returns the answer. Raises ConfigError, which states what the user's own code raised."""
    try:
        return question()
    except HarnessError:
        raise
    except OSError as error:
        raise ConfigError(f"{what} failed: {in_words(error, 'see to that file or its name')}") from error
    except Exception as error:  # a user's own code may raise anything
        raise ConfigError(f"{what} failed: {told(error)}.") from error


def _check_graphs(what: str, graphs: Any) -> None:
    if not isinstance(graphs, Mapping) or not graphs:
        raise ConfigError(f"{what} is {graphs!r}; accepted: a dict of GraphSpecs by name.")
    made: dict[str, tuple[int, ...]] = {}
    for key, graph in graphs.items():
        if not isinstance(graph, GraphSpec):
            raise ConfigError(f"{what}[{key!r}] is a {type(graph).__name__}; accepted: a GraphSpec.")
        if graph.name != key:
            raise ConfigError(f"{what}[{key!r}] holds the graph named {graph.name!r}; give both the same name.")
        if not graph.inputs or not graph.outputs:
            raise ConfigError(
                f"{what}[{key!r}] has no {'outputs' if graph.inputs else 'inputs'}; a graph needs at least one of each."
            )
        for tensor in graph.inputs:
            if tensor.name in made and made[tensor.name] != tensor.shape:
                raise ConfigError(
                    f"{what}: input {tensor.name} of graph {key} has the shape {list(tensor.shape)}, and the output that feeds "
                    f"it {list(made[tensor.name])}; give both the same shape."
                )
        made |= {tensor.name: tensor.shape for tensor in graph.outputs}
