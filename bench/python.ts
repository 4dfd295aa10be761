/** The rival's side of the benches: Python with the newest scikit-learn, in a virtual environment of its own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** What the rivals need: the newest of each, and the scikit-learn that many installations still have. */
const packages = {
  newest: [
    ...['scikit-learn', 'isotree', 'onnxruntime', 'skl2onnx', 'duckdb', 'pandas', 'pyarrow', 'matplotlib', 'joblib'],
    ...['fastapi', 'uvicorn[standard]'],
  ],
  'scikit-learn-1.2.1': ['scikit-learn==1.2.1', 'numpy<2'],
}
export type Environment = keyof typeof packages

/**
 * The Python of an environment, which is made on the first call (a download of some 600 MB for the newest) and kept.
 * DEEPWATCH_BENCH_VENV names another place for the newest; the others lie beside it.
 */
export function preparePython(environment: Environment = 'newest'): string {
  const place = process.env['DEEPWATCH_BENCH_VENV'] ?? join(tmpdir(), 'deepwatch-bench-venv')
  const folder = environment === 'newest' ? place : `${place}-${environment}`
  const python = join(folder, 'bin', 'python')
  if (!existsSync(join(folder, 'ready'))) {
    execFileSync('python3', ['-m', 'venv', folder], { stdio: 'inherit' })
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--upgrade', ...packages[environment]], {
      stdio: 'inherit',
    })
    execFileSync('touch', [join(folder, 'ready')])
  }
  return python
}

/** A Python program that answers each line of JSON with one. */
export interface Rival {
  ask(question: object): Promise<Record<string, unknown>>
  close(): void
}

/** Starts a Python program, with every library held to one thread unless it is told otherwise. */
export function startRival(script: URL, environment: Environment = 'newest'): Rival {
  return startProgram(preparePython(environment), [script.pathname])
}

/** Starts a program that answers each line of JSON with one. */
export function startProgram(program: string, args: readonly string[]): Rival {
  const env = { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', MKL_NUM_THREADS: '1' }
  const child: ChildProcess = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  let last: Promise<unknown> = Promise.resolve()
  return {
    ask(question) {
      // One question after the other, so that answers find their askers.
      const answer = last.then(async () => {
        child.stdin!.write(`${JSON.stringify(question)}\n`)
        const { value, done } = await lines.next()
        if (done) throw new Error('a rival ended')
        return JSON.parse(value) as Record<string, unknown>
      })
      last = answer.catch(() => {})
      return answer
    },
    close: () => child.stdin!.end(),
  }
}
