"""Data sets: ordered sets of sequences. One module and one YAML file in conf/dataset each."""
