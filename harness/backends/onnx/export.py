"""The session of an exported script, over ONNX Runtime alone. Text, as it is written to the script."""

SESSION = '''import onnxruntime


class Session:
    """One graph over ONNX Runtime."""

    def __init__(self, graph, path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.outputs = graph["outputs"]
        provider = (OPTIONS["provider"], OPTIONS["provider_options"])
        self.session = onnxruntime.InferenceSession(str(path), options, providers=[provider])

    def run(self, inputs):
        return dict(zip(self.outputs, self.session.run(self.outputs, inputs)))'''
