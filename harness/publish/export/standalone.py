"""Writes a tracker as one script that needs only NumPy, OpenCV and the runtime.

The tracker's class and the functions of ``harness.imaging.crops`` that it uses are copied from their source, so that
the script cannot differ from the harness; the settings that the class reads from its specification become a literal.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import pprint
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from harness.core.errors import ConfigError
from harness.core.files import plain
from harness.core.interfaces import TrackerSpec
from harness.imaging import crops as vision
from harness.publish.export.scripts import MAIN

GIVEN = frozenset(("np", "cv2", "math", "TrackingError"))
"""Names that the head of the script defines."""


@dataclass(frozen=True)
class Definition:
    """A top-level statement of a module: its source, and the names that it needs when it runs."""

    source: str
    needs: frozenset[str]


def script(spec: TrackerSpec, session: str, options: Mapping[str, Any], title: str) -> str:
    """Returns the script. ``session`` is the source of its ``Session`` class, ``options`` are those of its sessions.

    Raises ConfigError if the tracker's class needs more than NumPy, OpenCV and ``harness.imaging.crops``.
    """
    module = inspect.getmodule(type(spec))
    assert module is not None
    tracker = _tracker_class(module, spec)
    parts = _reachable(tracker, module, spec)
    values = {
        "TITLE": title,
        "SETTINGS": pprint.pformat(_settings(module, tracker, spec), width=100, sort_dicts=False),
        "OPTIONS": pprint.pformat(dict(options), width=100, sort_dicts=False),
        "GRAPHS": pprint.pformat(_graphs(spec), width=100, sort_dicts=False),
        "COLOR": "COLOR_RGB" if spec.color == "rgb" else "COLOR_BGR",
        "CHANNELS": repr(spec.color),
        "RUNTIME": session,
        "TRACKER": "\n\n\n".join(part.source for part in parts),
        "CLASS": tracker,
    }
    text = MAIN
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    ast.parse(text)
    return text


def _graphs(spec: TrackerSpec) -> dict[str, Any]:
    return {
        name: {
            "inputs": {item.name: (list(item.shape), item.dtype) for item in graph.inputs},
            "outputs": list(graph.output_names()),
        }
        for name, graph in spec.graphs.items()
    }


# ------------------------------------------------------------------------------------------ the tracker


def _tracker_class(module: ModuleType, spec: TrackerSpec) -> str:
    """Returns the class that ``spec.start`` makes: the class in its module with ``init`` and ``update``."""
    names = [
        name
        for name, item in vars(module).items()
        if inspect.isclass(item) and item.__module__ == module.__name__ and hasattr(item, "update") and hasattr(item, "init")
    ]
    if len(names) != 1:
        raise ConfigError(f"{module.__name__} has {len(names)} tracker classes; a module with one can be exported.")
    del spec
    return names[0]


def _reachable(tracker: str, module: ModuleType, spec: TrackerSpec) -> list[Definition]:
    """Returns the definitions that the class needs, in an order that works in one file."""
    own, shared = _definitions(module), _definitions(vision)
    chosen: dict[str, Definition] = {}
    wanted = [tracker]
    while wanted:
        name = wanted.pop()
        if name in chosen or name in GIVEN or hasattr(builtins, name):
            continue
        found = own.get(name) or shared.get(name)
        if found is None:
            raise ConfigError(
                f"tracker {spec.name} cannot be exported: {module.__name__} uses {name!r}, which is neither NumPy, OpenCV "
                "nor harness.imaging.crops."
            )
        chosen[name] = found
        wanted += found.needs
    used = list(chosen.values())
    return [item for item in dict.fromkeys([*shared.values(), *own.values()]) if item in used]


def _definitions(module: ModuleType) -> dict[str, Definition]:
    """Returns all top-level definitions of a module by name, without imports and docstrings."""
    text = inspect.getsource(module)
    lines = text.splitlines()
    found: dict[str, Definition] = {}
    for node in ast.parse(text).body:
        names = _bound(node)
        if not names:
            continue
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(item.lineno for item in decorators)])
        source = "\n".join(lines[first - 1 : node.end_lineno])
        source = re.sub(r"\bvision\.", "", source)
        source = re.sub(r"^class (\w+)\(Tracker\):", r"class \1:", source)
        found |= dict.fromkeys(names, Definition(source, frozenset(_needs(node))))
    return found


def _bound(node: ast.stmt) -> list[str]:
    """Returns the names that a top-level definition or assignment binds."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [item.id for target in targets for item in ast.walk(target) if isinstance(item, ast.Name)]


def _needs(node: ast.AST) -> Iterator[str]:
    """Global names that a statement reads when it runs (annotations are never evaluated), ``vision.x`` as ``x``."""
    bare = _without_annotations(node)
    bound = {item.id for item in ast.walk(bare) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)}
    bound |= {item.arg for item in ast.walk(bare) if isinstance(item, ast.arg)}
    for item in ast.walk(bare):
        if isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name) and item.value.id == "vision":
            yield item.attr
        elif isinstance(item, ast.Name) and item.id not in bound and item.id not in ("vision", "Tracker"):
            yield item.id


class _Stripper(ast.NodeTransformer):
    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg, None)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.Pass()
        self.generic_visit(node.value)
        return ast.Assign([node.target], node.value)


def _without_annotations(node: ast.AST) -> ast.AST:
    found: ast.AST = _Stripper().visit(ast.parse(ast.unparse(node)))
    return found


def _settings(module: ModuleType, tracker: str, spec: TrackerSpec) -> dict[str, Any]:
    """Returns the values that the class reads from its specification (``spec.x`` and ``self._spec.x``), by name."""
    tree = ast.parse(inspect.getsource(getattr(module, tracker)))
    names = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("spec", "self._spec")
    }
    return {name: _literal(getattr(spec, name)) for name in sorted(names)}


def _literal(value: Any) -> Any:
    return {key: plain(item) for key, item in value._asdict().items()} if hasattr(value, "_asdict") else plain(value)
