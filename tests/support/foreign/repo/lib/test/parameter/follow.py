import json


class Parameters:
    pass


def parameters(name):
    found = Parameters()
    with open("experiments/" + name + ".json") as file:  # relative to the repository, as such repositories have it
        found.reach = json.load(file)["reach"]
    return found
