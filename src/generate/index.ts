export { incidentKinds } from './incidents.ts'
export { metricNames, metricScales } from './metrics.ts'
export { type Batch, createBatch, createTelemetry, type FleetSettings, type FleetTelemetry } from './telemetry.ts'
