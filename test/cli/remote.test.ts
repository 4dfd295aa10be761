/** The commands with `--server`: the real command line asks the real service. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { startApp, type TestApp } from '../app.ts'
import { atTheEnd, freshFolder } from '../endings.ts'
import { startChild } from '../http/child.ts'
import { cli, inProcess, startCli } from './tools.ts'

const secret = 'correct-horse-battery'
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const env = { DEEPWATCH_TOKEN: secret }
const training = ['--model', 'web', '--label', 'label', '--entity', 'host', '--seed', '1']

let folder: string
let csv: string
let big: string
let home: string
let app: TestApp
/** Of the service, which holds the same model as the state folder `home`. */
let service: string[]

beforeAll(async () => {
  folder = await freshFolder()
  csv = join(folder, 'fleet.csv')
  big = join(folder, 'big.csv')
  home = join(folder, 'home')
  await cli(['generate', '--hosts', '2', '--days', '2', '--incident-rate', '0.1', '--out', csv])
  await cli(['generate', '--rows', '300000', '--out', big])
  app = await startApp({ DEEPWATCH_TOKENS: `all:read+score+train+admin:${sha256(secret)},one:score:${sha256('one')}` })
  service = ['--server', app.url]
  const [local, remote] = await Promise.all([
    cli(['train', csv, ...training, '--json', '--home', home], { env }),
    cli(['train', csv, ...training, '--json', ...service], { env }),
  ])
  expect([local.code, remote.code]).toEqual([0, 0])
  const fixed = (text: string) => {
    const { createdAt: _, training, ...document } = JSON.parse(text)
    const { seconds: __, source: ___, ...rest } = training
    return { ...document, training: rest }
  }
  expect(fixed(remote.text)).toEqual(fixed(local.text))
})

/** Listens on a free port of this machine until the tests are over. */
async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atTheEnd(async () => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('a service answers as the state folder does', () => {
  const both = (...args: string[]) =>
    Promise.all([inProcess([...args, '--home', home]), cli([...args, ...service], { env })])

  test.each([
    ['ndjson', ['--include', 'host,cpu_percent']],
    ['csv', ['--include', 'host,cpu_percent']],
    ['csv', ['--return', 'anomalies']],
    ['json', []],
    ['arrow', []],
  ])('score, %s %j', async (format, more) => {
    const [local, remote] = await both('score', csv, '--model', 'web', '--format', format, '--quiet', ...more)
    expect([local.code, remote.code, remote.stderr]).toEqual([0, 0, ''])
    expect(remote.stdout.length).toBeGreaterThan(100)
    expect(remote.stdout.equals(local.stdout)).toBe(true)
  })

  test('score, into a file', async () => {
    for (const name of ['t.parquet', 't.ndjson', 't.json']) {
      const [here, there] = [join(folder, `here-${name}`), join(folder, `there-${name}`)]
      const score = ['score', csv, '--model', 'web@1', '--return', 'all', '--json']
      const local = await inProcess([...score, '--out', here, '--home', home])
      const remote = await cli([...score, '--out', there, ...service], { env })
      expect([local.code, remote.code]).toEqual([0, 0])
      expect(readFileSync(there).equals(readFileSync(here)), name).toBe(true)
      // Of a table the service tells no counts.
      if (name === 't.parquet') expect(JSON.parse(local.text)).toMatchObject(JSON.parse(remote.text))
      else expect(remote.text).toBe(local.text)
    }
  })

  test('standard input and what people are told', async () => {
    const args = ['score', '-', '--model', 'web', '--return', 'none']
    const input = readFileSync(csv)
    const [local, remote] = [
      await cli([...args, '--home', home], { input }),
      await cli([...args, ...service], { env, input }),
    ]
    expect([remote.code, remote.text]).toEqual([0, local.text])
    expect(remote.stderr.trimEnd().split('\n').at(-1)).toBe(local.stderr.trimEnd().split('\n').at(-1))
  })

  test('evaluate', async () => {
    for (const more of [[], ['--json']]) {
      const [local, remote] = await both('evaluate', csv, '--model', 'web', '--label', 'label', ...more)
      expect([local.code, remote.code, remote.text]).toEqual([0, 0, local.text])
    }
  })

  test('report, of a file and of a model', async () => {
    for (const file of [[csv], []]) {
      const [local, remote] = await both('report', ...file, '--model', 'web', '--format', 'svg')
      expect([local.code, remote.code, remote.stderr]).toEqual([0, 0, ''])
      expect(remote.text).toMatch(/^<svg /)
      expect(remote.text.length).toBe(local.text.length)
    }
    const out = join(folder, 'report.html')
    const told = await cli(['report', '--model', 'web@1', '--out', out, '--json', ...service], { env })
    expect(JSON.parse(told.text)).toMatchObject({ model: 'web', version: 1, format: 'html', out })
    expect(readFileSync(out, 'utf8').toLowerCase()).toMatch(/^<!doctype html>/)
  })

  test('models', async () => {
    const second = await cli(['train', csv, '--model', 'web', '--trees', '9', '--json', '--quiet', ...service], { env })
    expect(JSON.parse(second.text)).toMatchObject({ version: 2 })
    const models = (...args: string[]) => cli(['models', ...args, ...service], { env })
    expect((await models()).text).toMatch(/^model +versions +serving +trained\nweb +2 +@2 +2\S+Z\n$/)
    expect((await models('serve', 'web@1')).stderr).toBe('web@1 serves\n')
    expect(JSON.parse((await models('show', 'web')).text)).toMatchObject({ version: 1, serving: true })
    expect((await models('rm', 'web@2')).code).toBe(2)
    expect(JSON.parse((await models('rm', 'web@2', '--yes', '--json')).text)).toEqual({ removed: 'web@2' })
    expect(JSON.parse((await models('--json')).text).models).toMatchObject([{ name: 'web', versions: [1] }])
    expect((await models('show', 'web@2')).stderr).toMatch(/^deepwatch: version_not_found: /)
  })

  test('jobs', async () => {
    const jobs = (...args: string[]) => cli(['jobs', ...args, ...service], { env })
    const list = await jobs()
    const [id = ''] = /^\S+(?= {2}train +web +succeeded)/m.exec(list.text) ?? []
    expect(list.text.split('\n')[0]).toMatch(/^job +kind +model +state +rows +since$/)
    expect(JSON.parse((await jobs('show', id)).text)).toMatchObject({ id, kind: 'train', state: 'succeeded' })
    const out = join(folder, 'result.json')
    expect((await jobs('result', id, '--out', out)).code).toBe(0)
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({ model: 'web' })
    expect((await jobs('cancel', id)).stderr).toBe(`cancelled ${id}\n`)
    expect((await jobs('result', id)).stderr).toMatch(/^deepwatch: job_not_found: /)
    const kept = JSON.parse((await jobs('--json')).text).jobs as { id: string }[]
    expect(kept.map((job) => job.id)).not.toContain(id)
    expect((await inProcess(['jobs'])).stderr).toMatch(/^deepwatch: validation_failed: --server is needed/)
  })
})

describe('what goes wrong is one line with a code', () => {
  const score = (...args: string[]) => ['score', csv, '--model', 'web', ...args]

  test.each([
    [['--server', 'fleet'], 2, 'validation_failed: --server: must be an address'],
    [['--server', 'ftp://x'], 2, 'validation_failed: --server: '],
    [['--server', 'http://me:pass@x'], 2, 'validation_failed: --server: '],
    [['--server', 'URL', '--home', 'x'], 2, 'conflicting_parameter: --server and --home'],
    [['--server', 'URL', '--token', 'a b'], 2, 'validation_failed: --token: '],
    [['--token', 'x'], 2, 'unused_setting: --token: '],
    [['--server', 'URL', 'CSV'], 2, 'validation_failed: --server: a service takes one file'],
    [['--server', 'http://127.0.0.1:1'], 1, 'server_unreachable: http://127.0.0.1:1: nothing listens there'],
    [['--server', 'HTTPS'], 1, 'server_unreachable: https://127.0.0.1:'],
    [['--server', 'http://nowhere.invalid'], 1, 'server_unreachable: http://nowhere.invalid: '],
    [['--server', 'URL/elsewhere'], 1, 'not_found: '],
    [['--server', 'URL', '--token', 'wrong-one'], 1, 'unauthorized: '],
    [['--server', 'URL', '--include', 'nothing'], 1, 'unknown_column: --include: '],
    [['--server', 'URL', '--out', '/nonexistent/x.csv'], 1, 'storage_error: '],
  ])('%j', async (args, code, line) => {
    const given = args.map((arg) =>
      arg === 'CSV' ? csv : arg.replace('HTTPS', app.url.replace('http', 'https')).replace('URL', app.url),
    )
    const ended = await cli(score('--quiet', ...given), { env: args.includes('--token') ? {} : env })
    expect(ended.stderr).toMatch(/^deepwatch: [a-z_]+: [^\n\p{Cc}]+\n$/u)
    expect(ended.stderr).toContain(`deepwatch: ${line}`)
    expect(ended.code).toBe(code)
    for (const word of ['pass', 'wrong-one', secret]) expect(ended.stderr).not.toContain(word)
  })

  test('a model file, a folder and a missing file', async () => {
    const ask = (...args: string[]) => inProcess(['score', ...args, ...service, '--token', secret, '--quiet'])
    expect((await ask(csv, '--model', './m')).stderr).toMatch(/^deepwatch: validation_failed: --model: a service knows/)
    expect((await ask(folder, '--model', 'web')).stderr).toMatch(/^deepwatch: validation_failed: .* is a folder/)
    expect((await ask(`${csv}x`, '--model', 'web')).stderr).toMatch(/^deepwatch: source_not_found: /)
    expect((await ask(csv, '--model', 'nobody')).stderr).toMatch(/^deepwatch: model_not_found: /)
  })

  test('a token without the right, told while a large file is on its way', async () => {
    for (const [token, code] of [
      ['wrong', 'unauthorized'],
      ['one', 'forbidden'],
    ]) {
      const ended = await cli(['train', big, '--model', 'big', ...service, '--quiet'], {
        env: { DEEPWATCH_TOKEN: token! },
      })
      expect([ended.code, ended.stderr]).toEqual([
        1,
        expect.stringMatching(new RegExp(`^deepwatch: ${code}: [^\\n]+\\n$`)),
      ])
    }
  })

  test('answers that are not of DeepWatch', async () => {
    const out = join(folder, 'never.ndjson')
    const half: RequestListener = (request, response) => {
      request.resume()
      response.writeHead(200, { 'deepwatch-model': 'web@1', 'deepwatch-threshold': '0.5' })
      response.write('{"row":0,"score":0.5,"isAnomaly":false}\n', () => setTimeout(() => response.destroy(), 50))
    }
    const whole: RequestListener = (request, response) => {
      request.resume()
      response.end('{"row":0,"score":0.5,"isAnomaly":false}\n')
    }
    const page: RequestListener = (_, response) => void response.writeHead(404).end('<h1>Not here</h1>')
    const told = { code: 'source_unreadable', detail: 'Broken \u001b[31mtext.' }
    const problem = `${JSON.stringify({ problem: told })}\n`
    const noise: RequestListener = (request, response) => {
      request.resume()
      response.end('{"problem":nothing}\n')
    }
    const ending: RequestListener = (request, response) => void request.resume().on('end', () => response.end(problem))
    for (const [listener, line] of [
      [half, 'server_unreachable: .*the connection broke'],
      [whole, 'server_unreachable: The answer ended before its summary'],
      [noise, 'server_unreachable: The answer has lines that are no JSON'],
      [page, 'server_unreachable: .*answered 404 without a problem document'],
      [ending, 'source_unreadable: Broken  ?\\[31mtext'],
    ] as const) {
      const url = await listening(createServer(listener))
      const ended = await cli(score('--server', url, '--out', out, '--quiet'))
      expect(ended.code).toBe(1)
      expect(ended.stderr).toMatch(new RegExp(`^deepwatch: ${line}[^\\n]*\\n$`))
    }
    expect(
      (await cli(['models', '--server', await listening(createServer((_, r) => void r.end('[]')))])).stderr,
    ).toMatch(/^deepwatch: server_unreachable: .*no JSON document/)
    expect(readdirSync(folder).filter((name) => name.startsWith('never') || name.startsWith('.deepwatch'))).toEqual([])
  })

  test('a service that never answers', async () => {
    const url = await listening(
      createTcpServer(
        (socket) =>
          void socket
            .on('error', () => {})
            .resume()
            .unref(),
      ),
    )
    const { code, stderr } = await cli(['models', '--server', url])
    expect([code, stderr]).toEqual([1, expect.stringContaining('server_unreachable: ')])
    expect(stderr).toContain('it does not answer in time')
  })

  test('a service that goes away in the middle of an upload', async () => {
    const child = startChild({ PORT: '0', DEEPWATCH_HOME: await freshFolder(), DEEPWATCH_CORES: '2' })
    const url = await child.ready
    const out = join(folder, 'gone.csv')
    const run = startCli(['score', '-', '--model', 'web', '--server', url, '--out', out, '--quiet'], { input: null })
    const text = readFileSync(csv)
    run.child.stdin!.write(text)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    child.process.kill('SIGKILL')
    await child.exit
    run.child.stdin!.end(text)
    const { code, stderr } = await run.ended
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^deepwatch: server_unreachable: [^\n]*(broke|nothing listens)[^\n]*\n$/),
    ])
    expect(existsSync(out)).toBe(false)
  })

  test('an interrupt cancels the job', async () => {
    const run = startCli(['train', big, '--model', 'big', '--trees', '1000', ...service], { env })
    const jobOf = async () => {
      const { jobs } = JSON.parse((await inProcess(['jobs', '--json', ...service, '--token', secret])).text)
      return jobs.find(({ model }: { model: string }) => model === 'big')
    }
    while ((await jobOf())?.state !== 'running') await new Promise((resolve) => setTimeout(resolve, 100))
    run.child.kill('SIGINT')
    const { code, stderr } = await run.ended
    expect([code, stderr]).toEqual([130, expect.stringMatching(/deepwatch: job_cancelled: Stopped by SIGINT[^\n]*\n$/)])
    expect(await jobOf()).toMatchObject({ state: 'cancelled' })
  })
})
