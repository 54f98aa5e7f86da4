import importlib


class Tracker:
    """What the repository's own evaluation runs: it knows the parameters and makes a tracker for each sequence."""

    def __init__(self, name, parameter_name, dataset_name, run_id=None):
        self.name, self.parameter_name, self.dataset_name = name, parameter_name, dataset_name
        self.tracker_class = importlib.import_module("lib.test.tracker." + name).get_tracker_class()

    def create_tracker(self, params):
        return self.tracker_class(params, self.dataset_name)

    def get_parameters(self):
        return importlib.import_module("lib.test.parameter." + self.name).parameters(self.parameter_name)
