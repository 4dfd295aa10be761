/** Telemetry that keeps the blocks of its last reading, up to a bound: a training reads its rows up to three times. */
import { isDeepStrictEqual } from 'node:util'
import { type Block, shareBytes } from '../kernels/index.ts'
import type { FeatureBlock, FeatureQuery } from '../reader/index.ts'
import type { Telemetry } from '../telemetry/index.ts'

export interface Remembering extends Telemetry {
  remembers(query: FeatureQuery): boolean
}

/**
 * @param telemetry text and names of entities are not remembered: a query that asks for them is read every time
 * @param maxBytes a longer reading is not remembered at all
 */
export function rememberBlocks(telemetry: Telemetry, maxBytes: number): Remembering {
  let known: { readonly query: object; readonly blocks: readonly FeatureBlock[] } | null = null
  const remembers = (query: FeatureQuery) => isDeepStrictEqual(known?.query, plain(query))

  async function* features(query: FeatureQuery): AsyncGenerator<FeatureBlock> {
    if (known && remembers(query)) return yield* known.blocks
    known = null
    let blocks: FeatureBlock[] | null = query.include ? null : []
    let bytes = 0
    for await (const piece of telemetry.features(query)) {
      bytes += 8 * piece.block.columns * piece.block.rows
      if (bytes > maxBytes || piece.entity) blocks = null
      if (blocks === null) {
        yield piece
        continue
      }
      const copy = { ...piece, block: copyOf(piece.block), release: () => {} }
      piece.release()
      blocks.push(copy)
      yield copy
    }
    if (blocks !== null) known = { query: plain(query), blocks }
  }

  return { ...telemetry, features, remembers }
}

/** A copy without members that are undefined. */
const plain = (query: FeatureQuery): object => JSON.parse(JSON.stringify(query))

/** The rows of a block in memory of their own. */
function copyOf({ values, stride, rows, columns }: Block): Block {
  const copy = new Float64Array(shareBytes(8 * columns * rows))
  for (let k = 0; k < columns; k++) copy.set(values.subarray(k * stride, k * stride + rows), k * rows)
  return { values: copy, stride: rows, rows, columns }
}
