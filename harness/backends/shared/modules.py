"""Builds the modules of a prepared source again from its recipe; imports only the factory that it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.core.config import suggestion
from harness.core.errors import BackendError, ConfigError, HarnessError, told
from harness.core.interfaces import Artifact
from harness.core.preparing import resolve


def load_modules(artifact: Artifact) -> dict[str, Any]:
    """Returns the torch modules of a ``torch`` artifact, in evaluation mode, by graph name.

    If the tracker's own module returns a dict, the module here returns its outputs in the graph's order.
    """
    source = json.loads((artifact.folder / "source.json").read_text())
    modules = call_factory(source)
    missing = artifact.graphs.keys() - modules.keys()
    if missing:
        raise BackendError(f"{source['factory']} built no graph {', '.join(sorted(missing))}, which the tracker names.")
    for name in artifact.info.get("named_outputs", ()):
        modules[name] = resolve("harness.backends.torch.session:Ordered")(modules[name], artifact.graphs[name])
    return {name: modules[name].eval() for name in artifact.graphs}


def call_factory(source: Mapping[str, Any]) -> dict[str, Any]:
    """Calls ``module:function`` of a source with its weights, seed and options. Raises ConfigError if that fails."""
    module_name, _, function = source["factory"].partition(":")
    try:
        module = import_module(module_name)
    except Exception as error:  # the module's own code may raise anything
        raise ConfigError(f"module {module_name} of the tracker's source cannot be imported: {told(error)}.") from error
    factory = getattr(module, function, None)
    if not callable(factory):
        known = [name for name, item in vars(module).items() if callable(item)]
        raise ConfigError(f"module {module_name} has no function {function!r}{suggestion(function, known)}; the tracker's source names it.")
    options = source["options"]
    try:
        built = factory([Path(item) for item in source["weights"]], seed=source["seed"], **options)
    except HarnessError:
        raise
    except Exception as error:  # the factory's own code may raise anything
        words = ", ".join(["weights", f"seed={source['seed']}", *(f"{key}={value!r}" for key, value in options.items())])
        raise ConfigError(f"{source['factory']}, called as {function}({words}), failed: {told(error)}.") from error
    if not isinstance(built, Mapping):
        raise ConfigError(f"{source['factory']} returned a {type(built).__name__}; accepted: a dict of models by graph name.")
    return dict(built)
