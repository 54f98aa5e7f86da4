"""The session of an exported script, over OpenVINO alone. Text, as it is written to the script."""

SESSION = '''import openvino


class Session:
    """One graph over OpenVINO."""

    core = openvino.Core()

    def __init__(self, graph, path, threads):
        settings = dict(OPTIONS["properties"])
        kind, _, listed = OPTIONS["device"].partition(":")
        if kind == "CPU":
            settings["INFERENCE_NUM_THREADS"] = threads
        elif kind in ("AUTO", "MULTI", "HETERO") and (not listed or "CPU" in listed):
            settings["DEVICE_PROPERTIES"] = {"CPU": {"INFERENCE_NUM_THREADS": threads}}
        compiled = self.core.compile_model(self.core.read_model(str(path)), OPTIONS["device"], settings)
        self.request = compiled.create_infer_request()
        self.buffers = {name: np.empty(shape, kind) for name, (shape, kind) in graph["inputs"].items()}
        for name, buffer in self.buffers.items():
            self.request.set_tensor(name, openvino.Tensor(buffer, shared_memory=True))
        self.outputs = [(name, self.request.get_tensor(name).data) for name in graph["outputs"]]

    def run(self, inputs):
        for name, buffer in self.buffers.items():
            np.copyto(buffer, inputs[name], casting="no")
        self.request.infer()
        return {name: data.copy() for name, data in self.outputs}'''
