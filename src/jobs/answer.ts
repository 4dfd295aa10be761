/** The answer to a request: sent while it is made, or stored until it is fetched. */

export interface AnswerHead {
  readonly status: number
  readonly type: string
  /** Further header fields, in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

export type Piece = string | Uint8Array

/** Made while they are read; synchronous where nothing has to be waited for. */
export type Pieces = AsyncGenerator<Piece> | Generator<Piece>

export interface WholeAnswer extends AnswerHead {
  readonly pieces: readonly Piece[]
  /** Its effect is durable: a cancel comes too late. */
  readonly isCommitted?: boolean
}

export interface StreamedAnswer extends AnswerHead {
  /** Bytes of the whole; null when that is known only at its end. */
  readonly bytes: number | null
  /** The body in order, once. What fails while it is made is thrown from here. */
  readonly pieces: Pieces
  /** The last piece of an answer that broke off, from its problem document; without it the connection breaks off too. */
  readonly lastWords?: ((problem: object) => string) | undefined
  /** Ends what the pieces came from and removes its files. Idempotent, never throws. */
  close(): Promise<void>
}

export type Answer = WholeAnswer | StreamedAnswer

/** Whether an answer is all there: nothing of it can fail any more, and nothing has to be closed. */
export const isWhole = (answer: Answer): answer is WholeAnswer => Array.isArray(answer.pieces)

/** The pieces of a stream. */
export async function* piecesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* stream
}

/** An answer that is one JSON value. */
export function jsonAnswer(
  status: number,
  value: unknown,
  more: { headers?: AnswerHead['headers']; isCommitted?: boolean } = {},
): WholeAnswer {
  const pieces = [Buffer.from(JSON.stringify(value))]
  return { status, type: 'application/json', headers: {}, ...more, pieces }
}
