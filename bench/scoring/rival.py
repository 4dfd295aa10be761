"""Scoring time of scikit-learn's IsolationForest on one thread: fits once, then scores on each request."""
import json
import platform
import sys
import time

import numpy as np
import sklearn
from sklearn.ensemble import IsolationForest

task = json.loads(sys.stdin.readline())
matrix = np.fromfile(task["matrix"]).reshape(task["columns"], task["rows"]).T.copy()
forest = IsolationForest(n_estimators=100, max_samples=256, random_state=task["seed"], n_jobs=1).fit(matrix)
forest.score_samples(matrix[:1000])
versions = {"scikitLearn": sklearn.__version__, "numpy": np.__version__, "python": platform.python_version()}
print(json.dumps(versions), flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    scores = forest.score_samples(matrix)
    print(json.dumps({"seconds": time.perf_counter() - start, "mean": -float(scores.mean())}), flush=True)
