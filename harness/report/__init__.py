"""From the files of jobs to tables, verdicts and pictures. Reads results, runs nothing.

``sources`` finds jobs, ``statistics`` has the intervals, ``differences`` says what two runs have apart,
``comparison`` puts these together, ``gates`` judges, ``tables``, ``plots`` and ``page`` show, ``summary`` is
called at the end of a sweep, ``native`` gives MLflow its own forms, ``render`` draws boxes on frames.
"""
