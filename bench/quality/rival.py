"""ROC-AUC of scikit-learn's IsolationForest: fit on all rows, score the same rows."""
import json
import sys

import numpy as np
import sklearn
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

for line in sys.stdin:
    task = json.loads(line)
    matrix = np.fromfile(task["matrix"]).reshape(task["columns"], task["rows"]).T.copy()
    labels = np.array(task["labels"], dtype=bool)
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=task["seed"], n_jobs=1)
    scores = -forest.fit(matrix).score_samples(matrix)
    answer = {"rocAuc": roc_auc_score(labels, scores), "version": sklearn.__version__, "numpy": np.__version__}
    print(json.dumps(answer), flush=True)
