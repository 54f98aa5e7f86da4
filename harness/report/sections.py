"""The sections of a report besides the common table, found without a list of them.

A module ``section`` of a task's package (``harness/tasks/<name>/section.py``) is used if there is a job of that task; a
module of ``harness.report.recipes`` if a job was made by the recipe of its name; an installed package's entry point in
the group ``harness.sections`` always. Each has ``sections(found)``, which returns the sections for which the jobs have
data.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable
from typing import Any

from harness.core import plugins
from harness.core.errors import ConfigError, tolerated
from harness.present.section import Section
from harness.report import ope, recommended, rounds
from harness.scoring.compared import Comparison

Maker = Callable[[Comparison], Iterable[Section]]

TASKS, RECIPES, MODULE = "harness.tasks", "harness.report.recipes", "section"


def of(found: Comparison) -> list[Section]:
    """Returns all sections for which the comparison's jobs have data, in their order."""
    made: list[Section] = []
    for maker in _makers(found):
        with tolerated("A section of the report could not be made", found.warnings.append):
            made += maker(found)
    return sorted(made, key=lambda section: section.order)


def _makers(found: Comparison) -> list[Maker]:
    jobs = [row.job for row in found.well]
    tasks = {job.results.choice("task") for job in jobs}
    recipes = {str(job.results.config.get("recipe") or "") for job in jobs}
    modules = [module for name, module in plugins.modules_in(RECIPES).items() if name in recipes]
    modules += [
        f"{module}.{MODULE}"
        for name, module in plugins.modules_in(TASKS).items()
        if name in tasks and importlib.util.find_spec(f"{module}.{MODULE}") is not None
    ]
    makers: list[Maker] = [importlib.import_module(module).sections for module in modules]
    return [recommended.sections, *makers, rounds.sections, ope.sections, *(_of_plugin(plugin) for plugin in plugins.found("sections"))]


def _of_plugin(plugin: plugins.Plugin) -> Maker:
    named: Any = plugin.load()
    maker = getattr(named, "sections", named)
    if not callable(maker):
        raise ConfigError(
            f"the plug-in {plugin.name!r} (harness.sections) of package {plugin.package} names {plugin.target}, which is neither a "
            "function of a comparison nor a module with a function 'sections'."
        )
    return maker  # type: ignore[no-any-return]
