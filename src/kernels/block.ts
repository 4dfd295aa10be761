/**
 * A block of the feature matrix, column-major: value of column `f` in row `r` is
 * `values[f * stride + r]`. Column-major because DuckDB hands out columns, profiles walk columns, and
 * the traversal kernel reads one column for eight neighbouring rows, which is then one cache line.
 *
 * `values` lies over a SharedArrayBuffer, so a thread reads it without a copy; small blocks that are copied together before
 * they get there may lie in memory of their own. Columns are in the model's feature order; a missing value is NaN. `rows <= stride`.
 */
export interface Block<Memory extends ArrayBufferLike = SharedArrayBuffer> {
  readonly values: Float64Array<Memory>
  readonly stride: number
  readonly rows: number
  readonly columns: number
}

/** Bytes a block of the largest size may take; few enough that a handful in flight fit any machine. */
const BLOCK_BYTES = 4 * 1024 * 1024
const MAX_ROWS = 65_536
/** So many times as large are blocks whose rows are brought together by entity: a model is loaded for all rows of its entity. */
const ENTITY_BLOCKS = 4
const CHUNK_ROWS = 2_048

/**
 * Rows a full block has for a number of columns: a multiple of 2,048 (DuckDB's vector size) between
 * 2,048 and 65,536 that keeps the block within 4 MiB where it can. A function of the column count alone,
 * so that whatever is computed per block and merged in order is the same for every format and thread count. With `byEntity`
 * four times as many.
 */
export function blockRows(columns: number, byEntity: boolean = false): number {
  const fitting = Math.floor(BLOCK_BYTES / (8 * Math.max(1, columns)) / CHUNK_ROWS) * CHUNK_ROWS
  return Math.min(MAX_ROWS, Math.max(CHUNK_ROWS, fitting)) * (byEntity ? ENTITY_BLOCKS : 1)
}
