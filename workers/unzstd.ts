/** A thread that unpacks one Zstandard file. It answers every chunk it is sent, `more` and `end`; it is ended with its file. */
import { parentPort } from 'node:worker_threads'
import type { Unzstd } from '../src/packing/index.ts'
import { createDecoder } from './unzstd/index.ts'

const port = parentPort!
/** What one answer carries at least, where there is so much. */
const ANSWER_BYTES = 1024 * 1024

const decoder = createDecoder()

port.on('message', async (question: Uint8Array | 'more' | 'end') => {
  const { push, pull, end } = await decoder
  if (question === 'end') return port.postMessage(end())
  if (question !== 'more') push(question)
  const answer: Unzstd = pull(ANSWER_BYTES)
  port.postMessage(answer, 'bytes' in answer ? [answer.bytes.buffer as ArrayBuffer] : [])
})
