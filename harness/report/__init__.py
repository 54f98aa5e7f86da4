"""From the files of jobs to tables, verdicts and pictures. Reads results, runs nothing.

``sources`` finds jobs, ``differences`` says what two runs have apart, ``comparison`` puts these together (its types lie in
``harness.scoring.compared``, below the tasks), ``verdicts`` says it in words, ``gates`` judges; ``columns`` and ``tables``,
``plots``, ``sections`` and ``page`` show; ``summary`` is called at the end of a sweep, ``native`` gives MLflow its own forms,
``render`` draws boxes on frames.
"""
