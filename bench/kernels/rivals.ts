/** The other sides of the kernel comparison, and what they are asked. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { type Environment, type Rival, startProgram, startRival } from '../python.ts'

/** What is scored in one line of the comparison. */
export interface Line {
  readonly rows: number
  readonly features: number
  readonly trees: number
  readonly sampleSize: number
  readonly threads: number
  /** Rows of one call; the matrix is scored as a whole when it is missing. */
  readonly call?: number
}

/** A side of the comparison: seconds of one scoring, or of one call. */
export interface Side {
  readonly name: string
  score(): Promise<number>
  close(): void
}

/** The files all sides read: the matrix, and our forest for ONNX and for the C twin. */
export interface LineFiles {
  readonly folder: string
  readonly matrix: string
  readonly json: string
  readonly padded: string
}

/** For the record: what most installations still have. It is slow, so that it scores fewer rows, in the first round of a run only, and its time is scaled. */
export const recordName = 'scikit-learn 1.2.1'
const mostRecordRows = 100_000

const scripts = new URL('../../../bench/rivals/', import.meta.url)

/** Whether the C twin takes part: it knows one thread, whole matrices and padded trees. */
export function hasTwin({ threads, call, sampleSize }: Line): boolean {
  return threads === 1 && !call && sampleSize <= 256
}

/**
 * Starts every rival of a line.
 * @param onVersions gets what each says of its versions
 */
export function startRivals(line: Line, files: LineFiles, onVersions: (versions: object) => void): Side[] {
  const { rows, features: columns, trees, sampleSize, threads, call } = line

  function python(name: string, who: string, environment: Environment, asked: number): Side {
    const rival = startRival(new URL('scoring.py', scripts), environment)
    const task = { who, matrix: files.matrix, rows, columns, trees, sampleSize, threads, forest: files.json }
    const first = rival.ask(task)
    if (environment === 'newest') void first.then(onVersions, () => {})
    const question = call ? { rows: call, calls: call === 10_000 ? 20 : 50 } : { rows: asked }
    return sideOf(name, rival, question, call ? 1 : rows / asked)
  }

  const sides = [
    ...['scikit-learn', 'isotree', 'onnxruntime'].map((who) => python(who, who, 'newest', rows)),
    python(recordName, 'scikit-learn', 'scikit-learn-1.2.1', Math.min(rows, mostRecordRows)),
  ]
  if (!hasTwin(line)) return sides
  const program = join(files.folder, 'forest')
  execFileSync('gcc', ['-O3', '-march=native', '-o', program, new URL('forest.c', scripts).pathname, '-lm'])
  const twin = startProgram(program, [files.padded, files.matrix, String(rows), String(columns)])
  return [...sides, sideOf('C twin', twin, {}, 1)]
}

function sideOf(name: string, rival: Rival, question: object, scale: number): Side {
  return {
    name,
    score: async () => scale * ((await rival.ask(question))['seconds'] as number),
    close: () => rival.close(),
  }
}
