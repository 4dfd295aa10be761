/** Chunks between two collections of the young: one costs a fraction of a millisecond. */
const YOUNG_EVERY = 20
/** Chunks between two full collections, for the few handles that grew old. */
const FULL_EVERY = 2_000

/**
 * A function to call once per chunk. Handles of the database's chunks hold memory that the collector does not see, so it
 * waits far too long. Does nothing where the process was started without `--expose-gc`.
 */
export function collectOften(): () => void {
  const collect = globalThis.gc as ((options: { type: 'minor' | 'major' }) => void) | undefined
  let chunks = 0
  return () => {
    chunks++
    if (chunks % FULL_EVERY === 0) collect?.({ type: 'major' })
    else if (chunks % YOUNG_EVERY === 0) collect?.({ type: 'minor' })
  }
}
