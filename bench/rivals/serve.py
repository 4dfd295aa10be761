"""What most people would write: FastAPI over scikit-learn's IsolationForest. Run by uvicorn with two workers."""
import os
import warnings

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.ensemble import IsolationForest

warnings.filterwarnings("ignore")
names = [f"m{i}" for i in range(8)]
matrix = np.fromfile(os.environ["DEEPWATCH_BENCH_MATRIX"]).reshape(8, -1).T.copy()
forest = IsolationForest(n_estimators=100, max_samples=256, contamination=0.01, random_state=1).fit(matrix)
app = FastAPI()


class Question(BaseModel):
    model: str
    rows: list[dict[str, float]]


@app.post("/score")
def score(question: Question):
    scores = -forest.score_samples(np.array([[row[name] for name in names] for row in question.rows]))
    threshold = -forest.offset_
    results = [
        {"row": i, "score": float(score), "isAnomaly": bool(score > threshold)} for i, score in enumerate(scores)
    ]
    return {"model": question.model, "threshold": threshold, "results": results}
