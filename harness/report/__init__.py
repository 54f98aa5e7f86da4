"""Makes tables, verdicts and pictures from the files of jobs. Reads results and runs nothing.

``sources`` finds jobs, ``differences`` finds how two runs differ, ``comparison`` combines these (its types are in
``harness.scoring.compared``, below the tasks), ``verdicts`` describes the result in sentences, ``gates`` judges it.
``columns``, ``tables``, ``plots``, ``sections`` and ``page`` show it. ``summary`` is called at the end of a sweep,
``native`` makes MLflow's own forms, and ``render`` draws boxes on frames.
"""
