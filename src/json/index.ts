export { parseBody } from './body.ts'
export { flattenRow } from './flatten.ts'
export { parseJson } from './json.ts'
export { asRows, type BatchColumn, type Row, type Rows, SmallBatch } from './small-batch.ts'
