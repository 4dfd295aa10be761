import { DeepWatchError } from '../errors.ts'

/** Spells UTF-16 text in UTF-8, without its byte order mark. Error: `source_unreadable` for what is no UTF-16, or half a character. */
export async function* decodeUtf16(
  chunks: AsyncIterable<Uint8Array>,
  encoding: 'utf-16le' | 'utf-16be',
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(encoding, { fatal: true })
  const decode = (chunk?: Uint8Array) => {
    try {
      return Buffer.from(decoder.decode(chunk, { stream: chunk !== undefined }))
    } catch (cause) {
      const detail = 'The text begins like UTF-16 but is not. Write it as UTF-8.'
      throw new DeepWatchError('source_unreadable', detail, { cause })
    }
  }
  for await (const chunk of chunks) yield decode(chunk)
  yield decode()
}
