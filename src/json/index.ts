export { parseBody } from './body.ts'
export { parseJson } from './json.ts'
export { asRows, type Row, type Rows, RowTable } from './row-table.ts'
