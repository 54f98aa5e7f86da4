"""What all other packages share: interfaces, errors, configuration, results and files, and the catalogue of metrics."""
