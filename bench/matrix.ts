/** Matrices as the benches use them: in blocks for our side, as a raw file for the rival's. */
import { writeFileSync } from 'node:fs'
import { type Block, blockRows } from '../src/kernels/block.ts'

/** Columns of equal length; each a feature. */
export interface Matrix {
  readonly rows: number
  readonly columns: readonly Float64Array[]
}

/** Cuts a matrix into blocks of the service's size, with `byEntity` that of models per entity. */
export function toBlocks({ rows, columns }: Matrix, byEntity: boolean = false): Block[] {
  const lanes = columns.length
  const most = blockRows(lanes, byEntity)
  const blocks: Block[] = []
  for (let start = 0; start < rows; start += most) {
    const count = Math.min(most, rows - start)
    const values = new Float64Array(new SharedArrayBuffer(8 * count * lanes))
    columns.forEach((column, f) => {
      values.set(column.subarray(start, start + count), f * count)
    })
    blocks.push({ values, stride: count, rows: count, columns: lanes })
  }
  return blocks
}

/** Writes the matrix column by column, as little-endian float64: `numpy.fromfile(path).reshape(columns, rows).T`. */
export function writeMatrix(path: string, { rows, columns }: Matrix): void {
  const values = new Float64Array(rows * columns.length)
  columns.forEach((column, f) => {
    values.set(column, f * rows)
  })
  writeFileSync(path, new Uint8Array(values.buffer))
}
