/**
 * What others reach on the same sets, with the same fitting and no labels: scikit-learn 1.2.1 and a few lines of numpy, mean over
 * the sets of a family. [PR-AUC, ROC-AUC, best F1, F1 at contamination, F1 at train 99 %]; null where it was not measured.
 */
export type Baseline = readonly [number, number, number, number, number | null]

export const baselines: Readonly<Record<string, Readonly<Record<string, Baseline>>>> = {
  adbench: {
    'forest, scikit-learn': [0.425, 0.862, 0.456, 0.416, null],
    Mahalanobis: [0.336, 0.825, 0.417, 0.311, null],
    'kNN (10 sets)': [0.224, 0.755, 0.306, 0.245, null],
  },
  asd: {
    'forest, scikit-learn': [0.096, 0.549, 0.184, 0.114, 0.105],
    'best single: forest on windows': [0.293, 0.688, 0.345, 0.29, 0.277],
    Mahalanobis: [0.214, 0.674, 0.278, 0.226, 0.177],
  },
  jumpstarter: {
    'forest, scikit-learn': [0.104, 0.57, 0.152, 0.1, 0.089],
    'best single: forest on windows': [0.248, 0.712, 0.311, 0.264, 0.249],
    Mahalanobis: [0.232, 0.68, 0.316, 0.248, 0.104],
  },
  smd: {
    'forest, scikit-learn': [0.342, 0.769, 0.367, 0.33, 0.259],
    'best single: Mahalanobis': [0.876, 0.925, 0.885, 0.836, 0.267],
  },
  skab: {
    'forest, scikit-learn': [0.784, 0.777, 0.797, 0.747, 0.581],
    'best single: forest, smoothed': [0.84, 0.822, 0.834, 0.777, 0.805],
    Mahalanobis: [0.827, 0.792, 0.828, 0.759, 0.749],
  },
  smap: {
    'forest, scikit-learn': [0.173, 0.508, 0.275, 0.157, 0.005],
    'best single: LOF': [0.342, 0.593, 0.381, 0.326, 0.225],
  },
  cloud_monitoring: {
    'forest, refitted': [0.555, 0.904, 0.587, 0.539, null],
    'forest, value only': [0.479, 0.814, 0.535, 0.452, null],
  },
}
