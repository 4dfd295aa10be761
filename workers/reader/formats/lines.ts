import { isUtf8 } from 'node:buffer'
import { readSync } from 'node:fs'
import { DeepWatchError } from '../../../src/errors.ts'
import { parseJson } from '../../../src/json/index.ts'
import type { OpenFile } from '../database/index.ts'

export type JsonRow = Readonly<Record<string, unknown>>

const READ_BYTES = 1024 * 1024
const LINE_BYTES = 16 * 1024 * 1024
const NEWLINE = 10

/**
 * Walks the rows of NDJSON files one line at a time, in constant memory. Blank lines and a byte order mark at the start of a
 * file are passed over. Every other line is one JSON object, read as strictly as a JSON body.
 *
 * Throws `source_unreadable` (facts: `line`, `file`), `duplicate_column`, `decoded_too_large` for a line over 16 MiB.
 */
export class JsonLines {
  private readonly files: readonly OpenFile[]
  private file = 0
  private offset = 0
  private line = 0
  /** Bytes read and not used yet: `buffer[start .. end)`. */
  private buffer = Buffer.allocUnsafe(READ_BYTES)
  private start = 0
  private end = 0
  private atEnd = false

  constructor(files: readonly OpenFile[]) {
    this.files = files
  }

  /** The next row; null after the last one of the last file. */
  next(): JsonRow | null {
    for (;;) {
      const line = this.nextLine()
      if (line === null) {
        if (++this.file >= this.files.length) return null
        this.offset = this.line = this.start = this.end = 0
        this.atEnd = false
        continue
      }
      this.line++
      const bytes =
        this.line === 1 && line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf ? line.subarray(3) : line
      if (!isBlank(bytes)) return this.parse(bytes)
    }
  }

  private nextLine(): Buffer | null {
    if (this.file >= this.files.length) return null
    let looked = this.start
    for (;;) {
      const at = this.buffer.subarray(0, this.end).indexOf(NEWLINE, looked)
      if (at !== -1) {
        const line = this.buffer.subarray(this.start, at)
        if (line.length > LINE_BYTES) throw this.tooLong()
        this.start = at + 1
        return line
      }
      looked = this.end - this.start
      if (this.atEnd) {
        if (this.start === this.end) return null
        const line = this.buffer.subarray(this.start, this.end)
        this.start = this.end
        return line
      }
      this.fill()
    }
  }

  /** Reads on behind the unfinished line, which moves to the front. */
  private fill(): void {
    const left = this.end - this.start
    if (left > LINE_BYTES) throw this.tooLong()
    const room = left + READ_BYTES > this.buffer.length ? Buffer.allocUnsafe(2 * (left + READ_BYTES)) : this.buffer
    this.buffer.copy(room, 0, this.start, this.end)
    this.buffer = room
    this.start = 0
    const { fd } = this.files[this.file] as OpenFile
    const read = readSync(fd, this.buffer, left, this.buffer.length - left, this.offset)
    this.offset += read
    this.end = left + read
    this.atEnd = read === 0
  }

  private tooLong(): DeepWatchError {
    const detail = `Line ${this.line + 1} is longer than ${LINE_BYTES} bytes.`
    return new DeepWatchError('decoded_too_large', detail, { facts: this.place(1) })
  }

  private parse(bytes: Buffer): JsonRow {
    let value: unknown
    try {
      value = parseJson(bytes, { bareWords: true })
    } catch (error) {
      const twice = error instanceof DeepWatchError && error.code === 'duplicate_key'
      const code = twice ? 'duplicate_column' : 'source_unreadable'
      const why = !isUtf8(bytes) ? 'is not UTF-8' : twice ? 'has a key twice' : 'is not a JSON object that can be read'
      throw new DeepWatchError(code, `Line ${this.line} ${why}.`, { facts: this.place(0) })
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonRow
    throw new DeepWatchError('source_unreadable', `Line ${this.line} is not a JSON object.`, { facts: this.place(0) })
  }

  private place(ahead: number): Record<string, unknown> {
    const line = this.line + ahead
    return this.files.length === 1 ? { line } : { line, file: (this.files[this.file] as OpenFile).name }
  }
}

function isBlank(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false
  return true
}
