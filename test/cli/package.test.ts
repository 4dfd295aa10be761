/** The package as somebody installs it: the packed files and nothing of the checkout but its dependencies. */
import { execFile } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { packageFolder } from '../../src/places.ts'
import { freshFolder } from '../endings.ts'
import { startChild } from '../http/child.ts'

const checkout = fileURLToPath(packageFolder)
const execute = promisify(execFile)

let folder: string
let packed: string[]

beforeAll(async () => {
  folder = await freshFolder()
  const { stdout } = await execute('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: checkout,
  })
  const [{ filename, files }] = JSON.parse(stdout)
  packed = files.map(({ path }: { path: string }) => path)
  const installed = join(folder, 'node_modules', 'deepwatch')
  mkdirSync(installed, { recursive: true })
  await execute('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components=1'])
  const { bin, dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies)) {
    const place = join(folder, 'node_modules', name)
    mkdirSync(dirname(place), { recursive: true })
    symlinkSync(join(checkout, 'node_modules', name), place)
  }
  // As npm does.
  chmodSync(join(installed, bin.deepwatch), 0o755)
  mkdirSync(join(folder, 'node_modules', '.bin'))
  symlinkSync(join('..', 'deepwatch', bin.deepwatch), join(folder, 'node_modules', '.bin', 'deepwatch'))
  writeFileSync(join(folder, 'package.json'), '{"private": true}')
})

test('holds what runs, and no tests, benches or source maps', () => {
  expect(packed).toEqual(
    expect.arrayContaining(['README.md', 'LICENSE', 'openapi.yaml', 'dist/src/cli.js', 'dist/src/main.js']),
  )
  for (const name of readdirSync(join(checkout, 'sql'))) expect(packed).toContain(`sql/${name}`)
  for (const name of packed) expect(name).not.toMatch(/\.(map|ts)$|\b(test|bench)\b|tsbuildinfo/)
  expect(packed.length).toBeLessThan(200)
})

test('npx deepwatch runs the whole pipeline in an empty folder', async () => {
  const deepwatch = (...args: string[]) =>
    execute('npx', ['--offline', 'deepwatch', ...args], { cwd: folder, env: { ...process.env, DEEPWATCH_CORES: '2' } })
  await deepwatch('generate', '--hosts', '2', '--days', '2', '--out', 'fleet.csv')
  await deepwatch('run', 'fleet.csv', '--out', 'out', '--label', 'label')
  expect(readdirSync(join(folder, 'out')).sort()).toEqual(
    ['anomaly_chart.png', 'model', 'report.html', 'scores.parquet', 'summary.json'].sort(),
  )
})

test('npx deepwatch serve answers', async () => {
  const cwd = await freshFolder()
  cpSync(join(folder, 'node_modules'), join(cwd, 'node_modules'), { recursive: true, verbatimSymlinks: true })
  const child = startChild(
    { PATH: process.env['PATH'] ?? '', DEEPWATCH_CORES: '2', PORT: '0' },
    { cwd, program: join(cwd, 'node_modules', '.bin', 'deepwatch'), args: ['serve'] },
  )
  const url = await child.ready
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  expect((await fetch(`${url}/docs`)).status).toBe(200)
  child.process.kill('SIGTERM')
  expect(await child.exit).toBe(0)
  expect(existsSync(join(cwd, 'data'))).toBe(true)
})
