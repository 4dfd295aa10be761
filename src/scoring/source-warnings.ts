/** What a person should know of a scored source beside its rows. */
import type { Block } from '../kernels/index.ts'
import type { FeatureQuery } from '../reader/index.ts'
import type { VersionDocument, Warning } from '../schemas/index.ts'
import { nameList, type Telemetry } from '../telemetry/index.ts'

/** Entities of a source that are compared with those of the training. */
const maxEntities = 100_000

/** The entities of the training that have no row in the source. Reads the entity column of the source once. */
export async function absentEntities(
  document: VersionDocument,
  telemetry: Telemetry,
  { entity, timestamp, window }: FeatureQuery,
): Promise<Warning[]> {
  const trained = document.entities ?? []
  if (entity === undefined || trained.length === 0) return []
  const found = await telemetry.entities({ entity, timestamp, window, max: maxEntities })
  if (found.length === maxEntities) return []
  const present = new Set(found.map(({ name }) => name))
  const absent = trained.filter((name) => !present.has(name))
  if (absent.length === 0) return []
  const have = absent.length === 1 ? 'has' : 'have'
  const message = `${absent.length} of the ${trained.length} entities of the training ${have} no row: ${nameList(absent)}.`
  return [{ code: 'absent_entities', message, entities: absent.slice(0, 100) }]
}

/** Watches which features have a value in some row. */
export class ValueWatch {
  readonly #names: readonly string[]
  /** Columns without a value so far: after the first block there are few. */
  #open: number[]

  /** @param names of the features, which are the first columns of the blocks */
  constructor(names: readonly string[]) {
    this.#names = names
    this.#open = names.map((_, column) => column)
  }

  take({ values, stride, rows }: Block<ArrayBufferLike>): void {
    if (this.#open.length === 0) return
    const isEmpty = (column: number) => {
      for (let row = 0; row < rows; row++) if (Number.isFinite(values[column * stride + row]!)) return false
      return true
    }
    this.#open = this.#open.filter(isEmpty)
  }

  /** The features that have no value at all. */
  warnings(): Warning[] {
    const names = this.#open.map((column) => this.#names[column]!)
    if (names.length === 0) return []
    const verb = names.length === 1 ? 'has' : 'have'
    const message = `${nameList(names)} ${verb} no value in any row.`
    return [{ code: 'empty_columns', message, columns: names.slice(0, 100) }]
  }
}

/** The features that have no value in any row of one block. */
export function emptyFeatures(names: readonly string[], block: Block<ArrayBufferLike>): Warning[] {
  const watch = new ValueWatch(names)
  watch.take(block)
  return watch.warnings()
}
