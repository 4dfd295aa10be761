/** Chunks between two collections. A collection costs a few milliseconds, a hundred chunks some tens of them. */
const collectEvery = 100

/**
 * A function to call once per chunk. Handles of the database's chunks hold memory that the collector does not
 * see, so it waits far too long: a `COPY` over 20 million scored rows grew by 11 bytes a row without this. Does nothing
 * where the process was started without `--expose-gc`.
 */
export function collectOften(): () => void {
  let chunks = 0
  return () => {
    if (++chunks % collectEvery === 0) globalThis.gc?.()
  }
}
