import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { DeepWatchError } from '../errors.ts'
import { programs } from '../places.ts'

/** What the thread of `workers/unzstd.ts` answers to a chunk, to `more` and to `end`. */
export type Unzstd =
  | { readonly state: 'more' | 'hungry'; readonly bytes: Uint8Array }
  | { readonly state: 'whole' | 'cut' | 'damaged' | 'wide' }

const refusals = {
  cut: 'The Zstandard data ends too early. Pack or send it again.',
  damaged: 'The Zstandard data is damaged, or something else follows it. Pack or send it again.',
  wide: 'The Zstandard data needs a window of more than 128 MiB. Pack it without --long or --ultra.',
} as const

/**
 * Unpacks Zstandard on a thread of its own, since Node decodes it from 22.15 on only. Checksums are compared, frames for others
 * passed over. Errors: `source_unreadable`, those of the chunks.
 */
export async function* unzstd(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const thread = new Worker(programs.unzstd)
  const ask = async (question: Uint8Array | 'more' | 'end'): Promise<Unzstd> => {
    const answered = once(thread, 'message')
    thread.postMessage(question)
    const [answer] = (await answered) as [Unzstd]
    if (answer.state in refusals)
      throw new DeepWatchError('source_unreadable', refusals[answer.state as keyof typeof refusals])
    return answer
  }
  try {
    for await (const chunk of chunks) {
      let answer = await ask(chunk)
      while ('bytes' in answer) {
        if (answer.bytes.length > 0) yield answer.bytes
        if (answer.state === 'hungry') break
        answer = await ask('more')
      }
    }
    await ask('end')
  } finally {
    await thread.terminate()
  }
}
