/** The examples of `openapi.yaml`: what a small service really answers, shortened. A test checks them against the schemas. */
import type { z } from 'zod'
import type { Evaluation } from './evaluate.ts'
import type { JobDocument } from './job.ts'
import type { modelSummary, tree, VersionDocument } from './model.ts'
import type { scoreAnswer } from './score.ts'

/** Telemetry that the example of a training learns from, and those of scoring and judging take. The last row is far off. */
export const exampleRows = Array.from({ length: 12 }, (_, hour) => ({
  timestamp: `2026-11-22T${String(hour).padStart(2, '0')}:00:00Z`,
  cpu: hour === 11 ? 0.99 : (30 + ((hour * 7) % 10)) / 100,
  latency_ms: hour === 11 ? 840 : 12 + ((hour * 3) % 5),
  label: hour === 11,
}))

const profile = {
  finite: 20160,
  missing: 0,
  infinite: 0,
  min: 0.02,
  max: 0.97,
  mean: 0.34,
  std: 0.11,
  quantiles: { p01: 0.09, p05: 0.15, p25: 0.26, p50: 0.33, p75: 0.42, p95: 0.53, p99: 0.61 },
  constant: false,
}

export const exampleVersion: VersionDocument = {
  model: 'web',
  version: 3,
  createdAt: '2026-11-22T14:00:00.000Z',
  software: '0.1.0',
  detector: {
    type: 'isolation-forest',
    settings: { type: 'isolation-forest', trees: 100, sampleSize: 256, maxDepth: null, seed: 42 },
    effective: { type: 'isolation-forest', trees: 100, sampleSize: 256, maxDepth: 8, seed: 42 },
    shape: { trees: 100, nodes: 10126, leaves: 5113, depth: 8, bytes: 162456 },
  },
  features: [
    { name: 'cpu', kind: 'number', type: 'DOUBLE', profile },
    { name: 'hour_sin', kind: 'timeContext', timeContext: 'hour_sin', profile: { ...profile, min: -1, max: 1 } },
    { name: 'hour_cos', kind: 'timeContext', timeContext: 'hour_cos', profile: { ...profile, min: -1, max: 1 } },
  ],
  roles: { timestamp: 'timestamp', entity: null, label: null },
  timeContext: {
    features: ['hour'],
    timeZone: 'UTC',
    encoding: 'hour is the local second of day on a circle',
    leftOut: [{ feature: 'dayOfWeek', reason: 'Training spans 7.00 days; 14 are needed.' }],
    transitions: { utc: [0], offset: [0] },
  },
  missing: { rule: 'reject', fill: null },
  threshold: { value: 0.61, rule: { contamination: 0.01 }, exact: true, flaggedRows: 201, flaggedShare: 0.00997 },
  guards: { level: 0.61 },
  scores: { bins: 4, counts: [0, 15820, 4340, 0] },
  training: {
    source: { kind: 'path', format: 'parquet', files: ['web.parquet'], bytes: 1482113, sha256: null },
    fingerprint: '5b1f0c0c2f3b4f0d8f4c0a6e8d3b9e7a1c2d3e4f5061728394a5b6c7d8e9f001',
    rows: 20160,
    window: null,
    rowsInWindow: 20160,
    rowsUsed: 20160,
    rowsLeftOut: 0,
    rowsFilled: 0,
    from: '2026-11-08T00:00:00Z',
    to: '2026-11-14T23:59:30Z',
    seconds: 0.41,
  },
  payload: { bytes: 162456, sha256: '0d4a1185f2a3c1a7b6f0f6a8c9e3b1d5f7a9c2e4b6d8f0a1c3e5f7091b3d5f70' },
  warnings: [],
}

export const exampleModel: z.infer<typeof modelSummary> = {
  name: 'web',
  versions: [1, 2, 3],
  newest: 3,
  serving: 3,
  quarantined: [],
  createdAt: '2026-11-20T09:12:44.120Z',
  updatedAt: '2026-11-22T14:00:00.000Z',
}

export const exampleTree: z.infer<typeof tree> = {
  model: 'web',
  version: 3,
  index: 0,
  nodes: [
    { id: 0, depth: 0, feature: 'cpu', threshold: 0.81, left: 1, right: 2, size: 256 },
    { id: 1, depth: 1, size: 254, pathLength: 11.23 },
    { id: 2, depth: 1, size: 2, pathLength: 2 },
  ],
}

export const exampleScores: z.infer<typeof scoreAnswer> = {
  model: 'web',
  version: 3,
  threshold: 0.61,
  results: [
    { row: 0, score: 0.43, isAnomaly: false },
    { row: 1, score: 0.72, isAnomaly: true, reasons: [{ reason: 'out_of_range', feature: 'cpu' }] },
  ],
  rows: 2,
  anomalies: 1,
  unscored: 0,
}

const exampleFigures = {
  precision: 1,
  recall: 1,
  f1: 1,
  rocAuc: 1,
  averagePrecision: 1,
  confusion: { tp: 17, fp: 0, tn: 271, fn: 0 },
  best: { f1: 1, threshold: 0.55 },
  events: { events: 2, found: 2, medianDelaySeconds: 0, falseAlarms: 0, entityDays: 0.997, falseAlarmsPerEntityDay: 0 },
}

export const exampleEvaluation: Evaluation = {
  model: 'web',
  version: 3,
  threshold: 0.56,
  ...exampleFigures,
  random: {
    precision: 0.06,
    recall: 0.06,
    f1: 0.06,
    rocAuc: 0.51,
    averagePrecision: 0.07,
    confusion: { tp: 1, fp: 16, tn: 255, fn: 16 },
    best: { f1: 0.13, threshold: 0.21 },
    events: {
      events: 2,
      found: 1,
      medianDelaySeconds: 600,
      falseAlarms: 15,
      entityDays: 0.997,
      falseAlarmsPerEntityDay: 15.05,
    },
  },
  rows: 288,
  unlabelled: 0,
  unscored: 0,
}

export const exampleJob: JobDocument = {
  id: '7d0f0f5e-4c0b-4b52-8f6e-7f6f2a3f9c11',
  kind: 'score',
  model: 'web',
  state: 'running',
  stage: 'scoring',
  rowsDone: 9_830_400,
  rowsTotal: 20_000_000,
  rowsPerSecond: 1_966_080,
  secondsLeft: 5.2,
  createdAt: '2026-11-22T14:00:00.000Z',
  startedAt: '2026-11-22T14:00:00.004Z',
  finishedAt: null,
  expiresAt: null,
  problem: null,
  events: '/jobs/7d0f0f5e-4c0b-4b52-8f6e-7f6f2a3f9c11/events',
  result: null,
}
