"""isotree's fitting on one thread: fits on each request. The first line is the task: matrix, rows, columns, trees, sampleSize."""
import importlib.metadata
import json
import sys
import time

import numpy as np
from isotree import IsolationForest

task = json.loads(sys.stdin.readline())
matrix = np.fromfile(task["matrix"]).reshape(task["columns"], task["rows"]).T
# Column-major, as it likes best.
matrix = np.asfortranarray(matrix)
print(json.dumps({"isotree": importlib.metadata.version("isotree")}), flush=True)
for seed, _ in enumerate(sys.stdin):
    start = time.perf_counter()
    IsolationForest(
        ntrees=task["trees"], sample_size=task["sampleSize"], ndim=1, missing_action="fail", standardize_data=False,
        prob_pick_pooled_gain=0, random_seed=seed, nthreads=1,
    ).fit(matrix)
    print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
