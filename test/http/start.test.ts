import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { freshFolder } from '../endings.ts'
import { startChild } from './child.ts'
import { inspectLog, outcome, sendTo } from './client.ts'

const hash = 'a'.repeat(64)

/** A setting that stops the start, and the key that its line must name. */
const bad: [string, Record<string, string>, string?][] = [
  ['a port that is a word', { PORT: 'http' }],
  ['a negative port', { PORT: '-1' }],
  ['a port past 65535', { PORT: '65536' }],
  ['a port with a fraction', { PORT: '80.5' }],
  ['a port in hexadecimal', { PORT: '0x50' }],
  ['a port with a space', { PORT: ' 8080' }],
  ['an unknown log level', { LOG_LEVEL: 'verbose' }],
  ['a log level in capitals', { LOG_LEVEL: 'INFO' }],
  ['every address without tokens', { HOST: '0.0.0.0' }, 'HOST'],
  ['every IPv6 address without tokens', { HOST: '::' }, 'HOST'],
  ['a network address without tokens', { HOST: '192.168.1.10' }, 'HOST'],
  ['a host name without tokens', { HOST: 'example.com' }, 'HOST'],
  ['every address, not quite open', { HOST: '0.0.0.0', DEEPWATCH_OPEN: 'false' }, 'HOST'],
  ['open, but 1 for true', { DEEPWATCH_OPEN: '1' }],
  ['open, but yes for true', { DEEPWATCH_OPEN: 'yes' }],
  ['a token in the clear', { DEEPWATCH_TOKENS: 'secret-canary' }],
  ['a token without a scope', { DEEPWATCH_TOKENS: `web::${hash}` }],
  ['a token with an unknown scope', { DEEPWATCH_TOKENS: `web:write:${hash}` }],
  ['a token with a short hash', { DEEPWATCH_TOKENS: 'web:read:abc' }],
  ['a token with a hash in capitals', { DEEPWATCH_TOKENS: `web:read:${'A'.repeat(64)}` }],
  ['a token with a name of two words', { DEEPWATCH_TOKENS: `my web:read:${hash}` }],
  ['two tokens of one name', { DEEPWATCH_TOKENS: `web:read:${hash},web:score:${hash}` }],
  ['a comma too many', { DEEPWATCH_TOKENS: `web:read:${hash},` }],
  ['an unknown key', { DEEPWATCH_PORT: '8080' }],
  ['a key with a slip', { DEEPWATCH_TOKEN: `web:read:${hash}` }],
  ['a key in small letters after the prefix', { DEEPWATCH_home: '/tmp' }],
  ['no core', { DEEPWATCH_CORES: '0' }],
  ['half a core', { DEEPWATCH_CORES: '0.5' }],
  ['no room to wait', { DEEPWATCH_POOL_QUEUE: '0' }],
  ['no reader', { DEEPWATCH_READERS: '0' }],
  ['a thousand readers', { DEEPWATCH_READERS: '1000' }],
  ['a reader in 1 MiB', { DEEPWATCH_READER_MEMORY: '1MiB' }],
  ['a unit of ten', { DEEPWATCH_READER_MEMORY: '512MB' }],
  ['an address space of 1 GiB', { DEEPWATCH_READER_ADDRESS_SPACE: '1GiB' }],
  ['a time with a unit', { DEEPWATCH_BODY_STALL_MS: '15s' }],
  ['a time too short', { DEEPWATCH_BODY_STALL_MS: '1' }],
  ['a size below none', { DEEPWATCH_UPLOAD_BYTES: '-1' }],
  ['a size that is empty', { DEEPWATCH_UPLOAD_BYTES: 'MiB' }],
  ['a JSON body past all bounds', { DEEPWATCH_JSON_BYTES: '1GiB' }],
  ['more rows than a number holds', { DEEPWATCH_JSON_ROWS: '99999999999999999999' }],
  ['a drain for ever', { DEEPWATCH_DRAIN_MS: 'Infinity' }],
  ['a value of two lines', { DEEPWATCH_MAX_MODELS: '10\n20' }],
]

describe('a bad setting stops the start with one line that names it', () => {
  test('there are 40 of them', () => expect(bad.length).toBeGreaterThanOrEqual(40))

  for (const [what, settings, key = Object.keys(settings)[0]!] of bad) {
    test.concurrent(`${what}: ${key}`, async () => {
      const child = startChild({ PORT: '0', ...settings })
      expect(await child.exit).toBe(1)
      expect(child.stderr()).toMatch(new RegExp(`^deepwatch: invalid_setting: ${key}\\b[^\\n]+\\n$`))
      expect(child.stderr()).not.toContain('canary')
      expect(child.log).toEqual([])
    })
  }

  test('a port that is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const child = startChild({ PORT: String(port), DEEPWATCH_HOME: await freshFolder() })
    expect(await child.exit).toBe(1)
    expect(child.stderr()).toMatch(/^deepwatch: invalid_setting: PORT: [^\n]+\n$/)
    taken.close()
  })

  test('a home that is a file', async () => {
    const file = join(await freshFolder(), 'file')
    await writeFile(file, '')
    const child = startChild({ PORT: '0', DEEPWATCH_HOME: file })
    expect(await child.exit).toBe(1)
    expect(child.stderr()).toMatch(/^deepwatch: \w+: [^\n]*DEEPWATCH_HOME[^\n]*\n$/)
  })
})

describe('a start', () => {
  test('T33: with an empty environment listens on loopback, to nobody else, without a debugger', async () => {
    const child = startChild({ PORT: '0' }, { cwd: await freshFolder() })
    const url = await child.ready
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(outcome(await sendTo(url, 'GET', '/readyz'))).toBe('200')
    for (const path of ['/debug', '/json/version', '/heap', '/admin', '/.env', '/metrics/../../etc/passwd'])
      expect(outcome(await sendTo(url, 'GET', path)), path).toMatch(/^404 /)
    expect(
      outcome(
        await sendTo(url, 'POST', '/score', { body: 'nonsense', headers: { 'content-type': 'application/json' } }),
      ),
    ).toBe('400 malformed_json')
    child.process.kill('SIGTERM')
    expect(await child.exit).toBe(0)
    expect(child.stderr()).toBe('')
    inspectLog(child.log)
  })

  test('a second process on the same home refuses, and the first one goes on', async () => {
    const home = await freshFolder()
    const first = startChild({ PORT: '0', DEEPWATCH_HOME: home })
    const url = await first.ready
    const second = startChild({ PORT: '0', DEEPWATCH_HOME: home })
    expect(await second.exit).toBe(1)
    expect(second.stderr()).toMatch(/^deepwatch: home_locked: [^\n]+\n$/)
    expect(outcome(await sendTo(url, 'GET', '/readyz'))).toBe('200')
    first.process.kill('SIGTERM')
    expect(await first.exit).toBe(0)
    const third = startChild({ PORT: '0', DEEPWATCH_HOME: home })
    await third.ready
  })

  test('--print-config shows settings and where they come from, and no secret', async () => {
    const cli = fileURLToPath(new URL('../../src/cli.js', import.meta.url))
    const tokens = `web:read+score:${hash}`
    const { stdout, code } = await output(cli, ['serve', '--port', '9', '--print-config'], {
      DEEPWATCH_TOKENS: tokens,
      LOG_LEVEL: 'warn',
    })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^HOST=127\.0\.0\.1 +# default: /m)
    expect(stdout).toMatch(/^PORT=9 +# flag: /m)
    expect(stdout).toMatch(/^LOG_LEVEL=warn +# environment: /m)
    expect(stdout).toMatch(/^DEEPWATCH_TOKENS=web:read\+score +# environment: /m)
    expect(stdout).not.toContain(hash)
  })
})

async function output(
  program: string,
  args: string[],
  env: Record<string, string>,
): Promise<{ stdout: string; code: number }> {
  const { execFile } = await import('node:child_process')
  return new Promise((resolve) =>
    execFile(process.execPath, [program, ...args], { env }, (error, stdout) =>
      resolve({ stdout, code: typeof error?.code === 'number' ? error.code : 0 }),
    ),
  )
}
