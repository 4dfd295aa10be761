/** What a request is answered with, whether it is sent while it is made or kept until somebody asks for it. */

export interface AnswerHead {
  readonly status: number
  /** Media type. */
  readonly type: string
  /** Further header fields, in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

export type Pieces = AsyncGenerator<string | Uint8Array> | Generator<string | Uint8Array>

export interface Answer extends AnswerHead {
  /** Bytes of the whole; null when that is known only at its end. */
  readonly bytes: number | null
  /** The body in order, once; not asynchronous where nothing has to be waited for. What fails while it is made is thrown from here. */
  readonly pieces: Pieces
  /** The last piece of an answer that broke off, from its problem document; without it the connection breaks off too. */
  readonly lastWords?: ((problem: object) => string) | undefined
  /** What it tells of cannot be taken back: a cancel comes too late. */
  readonly isCommitted?: boolean
  /** Ends what the pieces came from and removes its files. Idempotent, never throws. */
  close(): Promise<void>
}

/** An answer that is one JSON value. */
export function jsonAnswer(
  status: number,
  value: unknown,
  more: { headers?: AnswerHead['headers']; isCommitted?: boolean } = {},
): Answer {
  const bytes = Buffer.from(JSON.stringify(value))
  return {
    status,
    type: 'application/json',
    headers: more.headers ?? {},
    isCommitted: more.isCommitted ?? false,
    bytes: bytes.length,
    pieces: one(bytes),
    close: async () => {},
  }
}

function* one(piece: Uint8Array): Generator<Uint8Array> {
  yield piece
}
