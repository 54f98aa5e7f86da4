"""What everything else speaks: interfaces, errors, configuration, results and files, the catalogue of metrics."""
