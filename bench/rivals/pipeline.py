"""The whole pipeline as most people would write it: duckdb, pandas, scikit-learn on all cores, matplotlib, joblib.

    pipeline.py telemetry.parquet out-folder

Reads, adds hour and weekday, fits with a contamination, scores, evaluates the label, draws a chart, writes everything.
"""
import json
import pathlib
import sys

import duckdb
import joblib
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

source, out = sys.argv[1], pathlib.Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
frame = duckdb.sql(f"select * from read_parquet('{source}')").df()
seconds = frame["timestamp"].dt.hour * 3600 + frame["timestamp"].dt.minute * 60 + frame["timestamp"].dt.second
day = frame["timestamp"].dt.dayofweek
metrics = [name for name in frame.columns if name not in ("timestamp", "host", "label", "incident")]
features = frame[metrics].copy()
features["hour_sin"], features["hour_cos"] = np.sin(2 * np.pi * seconds / 86400), np.cos(2 * np.pi * seconds / 86400)
features["day_sin"], features["day_cos"] = np.sin(2 * np.pi * day / 7), np.cos(2 * np.pi * day / 7)

forest = IsolationForest(n_estimators=100, max_samples=256, contamination=0.01, random_state=1, n_jobs=-1)
forest.fit(features)
scores = -forest.score_samples(features)
flags = scores > -forest.offset_

frame["anomaly_score"], frame["is_anomaly"] = scores, flags
frame.to_parquet(out / "scores.parquet")
joblib.dump(forest, out / "model.joblib")
label = frame["label"].astype(bool)
summary = {
    "rows": len(frame),
    "anomalies": int(flags.sum()),
    "precision": precision_score(label, flags),
    "recall": recall_score(label, flags),
    "f1": f1_score(label, flags),
    "rocAuc": roc_auc_score(label, scores),
    "averagePrecision": average_precision_score(label, scores),
}
(out / "summary.json").write_text(json.dumps(summary))

figure, (top, bottom) = plt.subplots(2, 1, figsize=(12, 8))
step = max(1, len(frame) // 5000)
top.plot(frame["timestamp"][::step], scores[::step], linewidth=0.5)
top.scatter(frame["timestamp"][flags][:2000], scores[flags][:2000], s=4, color="red")
top.axhline(-forest.offset_, color="black", linestyle="--")
bottom.hist(scores, bins=100, log=True)
figure.savefig(out / "anomaly_chart.png", dpi=100)
