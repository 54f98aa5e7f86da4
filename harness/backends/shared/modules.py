"""The modules that a prepared source describes, built again from its recipe: nothing is imported but the factory it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.core.errors import BackendError
from harness.core.interfaces import Artifact


def load_modules(artifact: Artifact) -> dict[str, Any]:
    """The torch modules that a ``torch`` artifact describes, in evaluation mode, by graph name."""
    source = json.loads((artifact.folder / "source.json").read_text())
    modules = call_factory(source)
    missing = artifact.graphs.keys() - modules.keys()
    if missing:
        raise BackendError(f"{source['factory']} built no graph {', '.join(sorted(missing))}, which the tracker names.")
    return {name: modules[name].eval() for name in artifact.graphs}


def call_factory(source: Mapping[str, Any]) -> dict[str, Any]:
    """Calls ``module:function`` of a source with its weights, seed and options."""
    module, _, function = source["factory"].partition(":")
    factory = getattr(import_module(module), function)
    built: dict[str, Any] = factory(
        [Path(item) for item in source["weights"]], seed=source["seed"], **source["options"]
    )
    return built
