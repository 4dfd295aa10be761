/** The checks of the house fail for what they are there for: a copy of the sources gets one fault of each kind. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packageFolder } from '../src/places.ts'

const checkout = fileURLToPath(packageFolder)
const sources = ['src', 'routes', 'workers', '.ci']
const configuration = [
  'package.json',
  'tsconfig.json',
  'biome.json',
  'knip.json',
  '.dependency-cruiser.cjs',
  '.gitignore',
]

const long = `export function tooLong(): number {\n  let n = 0\n${'  n += 1\n'.repeat(90)}  return n\n}\n`
const tangled = `export function tangled(n: number): number {\n${'  if (n > 1) for (;;) if (n > 2) while (n) n--\n'.repeat(4)}  return n\n}\n`

/** Files that are added, and what each must be found as. */
const faults = [
  {
    kind: 'an import past the index of a room',
    file: 'src/scoring/planted-past.ts',
    text: "import { quoteName } from '../telemetry/telemetry.ts'\nexport const planted = quoteName\n",
    found: /into-src-telemetry-through-its-index: src\/scoring\/planted-past\.ts/,
  },
  {
    kind: 'an import that points up',
    file: 'src/storage/planted-up.ts',
    text: "import { planted } from '../training/index.ts'\nexport const up = planted\n",
    found: /nothing-above-src-storage: src\/storage\/planted-up\.ts -> src\/training\/index\.ts/,
  },
  {
    kind: 'a room that knows its neighbour on the same floor',
    file: 'src/jobs/planted-beside.ts',
    text: "import { planted } from '../reader/index.ts'\nexport const beside = planted\n",
    found: /nothing-above-src-jobs: src\/jobs\/planted-beside\.ts -> src\/reader\/index\.ts/,
  },
  {
    kind: 'a circle',
    file: 'src/json/planted-circle.ts',
    text: "import { other } from './planted-other.ts'\nexport const circle = other\n",
    found: /no-circle: src\/json\/planted-(circle|other)\.ts/,
  },
  {
    kind: 'the other half of the circle',
    file: 'src/json/planted-other.ts',
    text: "import { circle } from './planted-circle.ts'\nexport const other = circle\n",
    found: /no-circle/,
  },
  {
    kind: 'a kernel that reads files',
    file: 'src/kernels/planted-disk.ts',
    text: "import { readFileSync } from 'node:fs'\nexport const disk = readFileSync\n",
    found: /kernels-know-nothing: src\/kernels\/planted-disk\.ts/,
  },
  {
    kind: 'a program that is imported',
    file: 'src/cli/planted-program.ts',
    text: "import '../main.ts'\n",
    found: /programs-are-started: src\/cli\/planted-program\.ts/,
  },
  {
    kind: 'a package outside of its one place',
    file: 'src/registry/planted-package.ts',
    text: "import { Piscina } from 'piscina'\nexport const pool = Piscina\n",
    found: /piscina-has-one-place: src\/registry\/planted-package\.ts/,
  },
  {
    kind: 'a file in a folder without an index',
    file: 'src/time/planted-room/thing.ts',
    text: 'export const thing = 1\n',
    found: /no-room: src\/time\/planted-room\/thing\.ts/,
  },
  {
    kind: 'a file without a floor',
    file: 'src/planted.ts',
    text: 'export const planted = 1\n',
    found: /no-floor: src\/planted\.ts/,
  },
  {
    kind: 'an unused file',
    file: 'src/time/planted-unused.ts',
    text: 'export {}\n',
    found: /src\/time\/planted-unused\.ts/,
  },
  {
    kind: 'an unused export',
    file: 'src/errors.ts',
    text: null,
    found: /plantedExport\s+src\/errors\.ts/,
  },
  {
    kind: 'a function that is too long',
    file: 'src/time/planted-long.ts',
    text: long,
    found: /src\/time\/planted-long\.ts:1:\d+ lint\/complexity\/noExcessiveLinesPerFunction/,
  },
  {
    kind: 'a function that is too tangled',
    file: 'src/time/planted-tangled.ts',
    text: tangled,
    found: /src\/time\/planted-tangled\.ts:1:\d+ lint\/complexity\/noExcessiveCognitiveComplexity/,
  },
]

let copy: string
let output: string

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'house-'))
  for (const name of [...sources, ...configuration])
    await cp(join(checkout, name), join(copy, name), { recursive: true })
  await symlink(join(checkout, 'node_modules'), join(copy, 'node_modules'))
  for (const { file, text } of faults) {
    await mkdir(join(copy, file, '..'), { recursive: true })
    await writeFile(join(copy, file), text ?? '\nexport const plantedExport = 1\n', { flag: text === null ? 'a' : 'w' })
  }
  const bin = (name: string) => join(copy, 'node_modules', '.bin', name)
  const runs = await Promise.all([
    run(process.execPath, ['.ci/imports.mjs']),
    run(bin('knip'), ['--include', 'files,exports']),
    run(bin('biome'), ['lint', '--vcs-enabled=false', '--max-diagnostics=200', '--error-on-warnings', 'src']),
  ])
  expect(runs.map(({ code }) => code)).toEqual([1, 1, 1])
  output = runs.map(({ text }) => text).join('\n')
})
afterAll(() => rm(copy, { recursive: true, force: true }))

/** Exit code and everything printed. */
function run(program: string, args: readonly string[]): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: copy, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), text: stdout + stderr })
    })
  })
}

describe('the check of the house finds', () => {
  test.each(faults)('$kind', ({ found }) => {
    expect(output).toMatch(found)
  })
})
