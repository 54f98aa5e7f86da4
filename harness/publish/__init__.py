"""Everything that leaves the folder of a run: MLflow, bundles, submissions, exported models."""
