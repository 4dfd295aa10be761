export { incidentKinds } from './incidents.ts'
export { metricNames, metricScales } from './metrics.ts'
export { type Batch, createBatch, createTelemetry, type FleetSettings } from './telemetry.ts'
