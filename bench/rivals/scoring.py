"""One rival's scoring on one thread (or as many as asked for): fits or builds once, then scores on each request.

The first line on standard input is the task: who, matrix (column-major float64 file), rows, columns, trees, sampleSize,
forest (JSON of our own trees, for ONNX), threads. Each further line asks for one scoring: {"rows": n} scores the first n rows, and
{"rows": n, "calls": k} scores n rows k times, each call being timed apart.
"""
import json
import platform
import sys
import time

import numpy as np

task = json.loads(sys.stdin.readline())
matrix = np.fromfile(task["matrix"]).reshape(task["columns"], task["rows"]).T.copy()
versions = {"python": platform.python_version(), "numpy": np.__version__}


def scikit_learn():
    import sklearn
    from sklearn.ensemble import IsolationForest

    versions["scikitLearn"] = sklearn.__version__
    forest = IsolationForest(
        n_estimators=task["trees"], max_samples=task["sampleSize"], random_state=1, n_jobs=task["threads"]
    ).fit(matrix[:100_000])
    return lambda rows: -forest.score_samples(rows)


def isotree():
    import importlib.metadata

    from isotree import IsolationForest

    versions["isotree"] = importlib.metadata.version("isotree")
    forest = IsolationForest(
        ntrees=task["trees"], sample_size=task["sampleSize"], ndim=1, missing_action="fail", standardize_data=False,
        prob_pick_pooled_gain=0, random_seed=1, nthreads=task["threads"],
    ).fit(matrix[:100_000])
    return lambda rows: forest.predict(rows)


def onnx_runtime():
    import onnxruntime
    from onnx import TensorProto, helper

    versions["onnxRuntime"] = onnxruntime.__version__
    forest = json.load(open(task["forest"]))
    node = {name: [] for name in ("trees", "ids", "features", "modes", "values", "left", "right")}
    leaf = {name: [] for name in ("trees", "ids", "values")}
    for index, tree in enumerate(forest["trees"]):
        for item in tree:
            node["trees"].append(index)
            node["ids"].append(item["id"])
            inner = "left" in item
            node["features"].append(item["feature"] if inner else 0)
            node["modes"].append("BRANCH_LEQ" if inner else "LEAF")
            node["values"].append(item["threshold"] if inner else 0.0)
            node["left"].append(item["left"] if inner else 0)
            node["right"].append(item["right"] if inner else 0)
            if not inner:
                leaf["trees"].append(index)
                leaf["ids"].append(item["id"])
                leaf["values"].append(item["pathLength"])
    ensemble = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM",
        nodes_treeids=node["trees"], nodes_nodeids=node["ids"], nodes_featureids=node["features"],
        nodes_modes=node["modes"], nodes_values=node["values"], nodes_truenodeids=node["left"],
        nodes_falsenodeids=node["right"], target_treeids=leaf["trees"], target_nodeids=leaf["ids"],
        target_ids=[0] * len(leaf["ids"]), target_weights=leaf["values"],
    )
    graph = helper.make_graph(
        [ensemble], "forest",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, task["columns"]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)])
    model.ir_version = 9
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task["threads"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    factor = -1.0 / (task["trees"] * forest["averagePathLength"])
    # It takes float32; the conversion is not counted, and the score formula is.
    global matrix
    matrix = matrix.astype(np.float32)
    return lambda rows: np.exp2(session.run(None, {"x": rows})[0][:, 0].astype(np.float64) * factor)


score = {"scikit-learn": scikit_learn, "isotree": isotree, "onnxruntime": onnx_runtime}[task["who"]]()
score(matrix[:1000])
print(json.dumps(versions), flush=True)
for line in sys.stdin:
    question = json.loads(line)
    rows = matrix[: question["rows"]]
    times = []
    for _ in range(question.get("calls", 1)):
        start = time.perf_counter()
        scores = score(rows)
        times.append(time.perf_counter() - start)
    print(json.dumps({"seconds": float(np.median(times)), "mean": float(np.mean(scores))}), flush=True)
