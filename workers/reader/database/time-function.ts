import { BIGINT, type DuckDBBigIntVector, type DuckDBConnection, DuckDBScalarFunction, VARCHAR } from '@duckdb/node-api'
import type { TimeReader } from '../../../src/time/index.ts'
import { collectOften } from './collect.ts'
import { Chunk, isValid } from './vectors.ts'

/** The function `time_of(text, number)`: epoch microseconds of a text, read as JSON rows are read, so that no format reads times its own way. */
export class TimeFunction {
  /** What went wrong while a statement asked for times. */
  failure: unknown = null
  private readonly columns: { readonly read: TimeReader; readonly refuse: (text: string) => Error }[] = []

  constructor(connection: DuckDBConnection) {
    const collect = collectOften()
    connection.registerScalarFunction(
      DuckDBScalarFunction.create({
        name: 'time_of',
        parameterTypes: [VARCHAR, BIGINT],
        returnType: BIGINT,
        specialHandling: true,
        mainFunction: (_, input, output) => {
          collect()
          try {
            this.fill(new Chunk(input), output as DuckDBBigIntVector)
          } catch (error) {
            this.failure = error
            throw error
          }
        },
      }),
    )
  }

  /** The SQL that reads a text as a time, null as null. `refuse` makes the error for a text that is no time. */
  expression(text: string, read: TimeReader, refuse: (text: string) => Error): string {
    const number = this.columns.push({ read, refuse }) - 1
    return `make_timestamptz(time_of(${text}, ${number}))`
  }

  private fill(chunk: Chunk, output: DuckDBBigIntVector): void {
    const texts = chunk.texts(0)
    const validity = chunk.validity(0)
    const { read, refuse } = this.columns[Number(chunk.bigints(1)[0])]!
    for (let row = 0; row < chunk.rows; row++) {
      if (!isValid(validity, row)) {
        output.setItem(row, null)
        continue
      }
      texts.at(row)
      const text = Buffer.from(
        texts.bytes.buffer,
        texts.bytes.byteOffset + texts.start,
        texts.end - texts.start,
      ).toString()
      const micros = read(text)
      if (micros === null) throw refuse(text)
      output.setItem(row, BigInt(micros))
    }
    output.flush()
  }
}
