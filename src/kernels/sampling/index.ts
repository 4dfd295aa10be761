export { countUp, createRandom, drawOrder, type Random, streams } from './random.ts'
export { createReservoir, fillSample, pickRows, type Sample, type SampleSet, sampleOf } from './reservoir.ts'
export { RowDraw, rowDrawBytes } from './row-draw.ts'
