"""LightTrack from its published IR: three OpenVINO models become the same two graphs as harness.trackers.lighttrack.network.

``head`` on top of ``x_feature`` is the graph that runs every frame. The published models take BGR and swap the channels
first; crops are RGB here, so the swap is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13

from harness.core.errors import WeightsError

Shapes = dict[str, tuple[int, ...]]
TEMPLATE: tuple[Shapes, Shapes] = ({"z": (1, 128, 128, 3)}, {"zf": (1, 96, 8, 8)})
TRUNK: tuple[Shapes, Shapes] = ({"x": (1, 256, 256, 3)}, {"xf": (1, 96, 16, 16)})
HEAD: tuple[Shapes, Shapes] = ({"zf": (1, 96, 8, 8), "xf": (1, 96, 16, 16)}, {"cls": (16, 16), "reg": (4, 16, 16)})


def graphs(weights: list[Path], **_: Any) -> dict[str, ov.Model]:
    """``template`` and ``search`` from ``[z_feature.xml, x_feature.xml, head.xml]``. Raises WeightsError."""
    core = ov.Core()
    template = _read(core, weights[0], "z_feature", *TEMPLATE)
    trunk = _read(core, weights[1], "x_feature", *TRUNK)
    head = _read(core, weights[2], "head", *HEAD)
    for model, path in ((template, weights[0]), (trunk, weights[1])):
        _take_rgb(model, path)
    template.input(0).set_names({"template"})
    template.output(0).set_names({"template_features"})
    return {"template": template, "search": _joined(trunk, head)}


def _read(core: ov.Core, path: Path, part: str, inputs: Shapes, outputs: Shapes) -> ov.Model:
    """The model at ``path``. Raises WeightsError if its inputs and outputs are not those expected."""
    try:
        model = core.read_model(str(path))
    except RuntimeError as error:
        raise WeightsError(
            f"{path} is not an OpenVINO model, or its .bin is missing or cut short; give LightTrack's {part}.xml with its .bin."
        ) from error
    found = [
        {port.get_any_name(): tuple(port.get_shape()) for port in ports} for ports in (model.inputs, model.outputs)
    ]
    if found != [inputs, outputs]:
        raise WeightsError(
            f"{path} is not LightTrack's {part}: it maps {found[0]} to {found[1]}, expected {inputs} to {outputs}; give the "
            "files as [z_feature.xml, x_feature.xml, head.xml]."
        )
    return model


def _take_rgb(model: ov.Model, path: Path) -> None:
    """Removes the swap of the channels behind the input. Raises WeightsError if there is none."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Gather" and tuple(node.output(0).get_shape()) == tuple(model.input(0).get_shape()):
            node.output(0).replace(node.input_value(0))
            model.validate_nodes_and_infer_types()
            return
    raise WeightsError(f"{path} does not swap BGR to RGB, as LightTrack's published IR does; give the published files.")


def _joined(trunk: ov.Model, head: ov.Model) -> ov.Model:
    """The head over the trunk's output, its maps with a batch axis, under the tracker's names."""
    ports = {port.get_any_name(): port for port in head.inputs}
    features = trunk.output(0).get_node().input_value(0)
    ports["xf"].get_node().output(0).replace(features)
    results = []
    for port, name, shape in (
        (head.output("cls"), "score", (1, 1, 16, 16)),
        (head.output("reg"), "box", (1, 4, 16, 16)),
    ):
        shaped = opset13.reshape(
            port.get_node().input_value(0), opset13.constant(np.array(shape, np.int64)), special_zero=False
        )
        shaped.output(0).set_names({name})
        results.append(opset13.result(shaped.output(0)))
    template, search = ports["zf"].get_node(), trunk.input(0).get_node()
    template.output(0).set_names({"template_features"})
    search.output(0).set_names({"search"})
    return ov.Model(results, [template, search], "search")
