/** Bytes of a note that is looked at: it says some 200 about every column. */
export const MAX_NOTE_BYTES = 4 * 1024 * 1024
/** Different notes of one source that are looked at. */
export const MAX_NOTES = 16
const MAX_NAMES = 1_000

/** Columns that pandas wrote as the index of its rows, by the JSON texts it leaves in a file; a text that is none says nothing. */
export function pandasIndex(notes: readonly unknown[]): ReadonlySet<string> {
  const names = notes.slice(0, MAX_NOTES).flatMap((note) => indexColumns(note).slice(0, MAX_NAMES))
  // An index that is a range has no column and is described by an object.
  return new Set(names.filter((name) => typeof name === 'string'))
}

function indexColumns(note: unknown): unknown[] {
  if (typeof note !== 'string' || note.length > MAX_NOTE_BYTES) return []
  try {
    const { index_columns: columns } = JSON.parse(note) as { index_columns?: unknown }
    return Array.isArray(columns) ? columns : []
  } catch {
    return []
  }
}
