import { type Format, startsWith } from './format.ts'

/**
 * Apache Arrow IPC stream. DuckDB has no reader for it here: the reading process decodes the batches and
 * feeds them through a table function, so that the same SQL applies.
 */
export const arrow: Format = {
  id: 'arrow',
  title: 'Arrow IPC stream',
  mediaTypes: ['application/vnd.apache.arrow.stream'],
  extensions: ['.arrows'],
  matches: ({ head }) => isStream(head),
  relation: 'fed()',
}

/** The stream begins with a message: the mark FFFFFFFF, the length of its metadata, a flatbuffer. */
function isStream(head: Uint8Array): boolean {
  if (head.length < 8 || startsWith(head, 'ARROW1')) return false
  const view = new DataView(head.buffer, head.byteOffset, 8)
  if (view.getUint32(0, true) !== 0xffffffff) return false
  const length = view.getInt32(4, true)
  return length > 0 && length % 8 === 0
}

/** Whether this is the Arrow *file* format, which we name in the refusal because people mix them up. */
export function isArrowFile(head: Uint8Array): boolean {
  return startsWith(head, 'ARROW1')
}
