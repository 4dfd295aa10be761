import { describe, expect, test } from 'vitest'
import { loadConfig, printConfig } from '../src/config.ts'

const hash = 'a'.repeat(64)

describe('settings', () => {
  test('the defaults are enough to start on loopback', () => {
    const config = loadConfig({})
    expect(config).toMatchObject({ HOST: '127.0.0.1', PORT: 8080, LOG_LEVEL: 'info', DEEPWATCH_OPEN: false })
    expect(config.roots).toEqual([`${config.home}/telemetry`])
    expect(config.poolThreads).toBeGreaterThanOrEqual(1)
    expect(config.readerThreads).toBeGreaterThanOrEqual(1)
  })

  test.each([
    ['PORT', 'eighty'],
    ['PORT', '65536'],
    ['PORT', '0x50'],
    ['PORT', ' 80'],
    ['PORT', '-1'],
    ['LOG_LEVEL', 'loud'],
    ['DEEPWATCH_OPEN', 'yes'],
    ['DEEPWATCH_CORES', '0'],
    ['DEEPWATCH_CORES', '1.5'],
    ['DEEPWATCH_JSON_BYTES', '16MB'],
    ['DEEPWATCH_JSON_BYTES', '1e6'],
    ['DEEPWATCH_UPLOAD_BYTES', '1'],
    ['DEEPWATCH_READERS', '1000'],
    ['DEEPWATCH_TOKENS', 'ops:read:secret'],
    ['DEEPWATCH_TOKENS', `ops:write:${hash}`],
    ['DEEPWATCH_TOKENS', `ops::${hash}`],
    ['DEEPWATCH_TOKENS', `ops:read:${hash},ops:score:${hash}`],
    ['DEEPWATCH_TYPO', 'x'],
    ['HOST', '0.0.0.0'],
    ['HOST', '127.0.0.1.example.org'],
  ])('refuses %s=%s with one line that names the key', (key, value) => {
    let message = ''
    try {
      loadConfig({ [key]: value })
    } catch (error) {
      message = (error as Error).message
    }
    expect(message).toMatch(new RegExp(`^${key}`))
    expect(message).not.toContain('\n')
    expect(message).not.toContain('secret')
  })

  test('an address open to the network needs tokens or a clear word', () => {
    expect(loadConfig({ HOST: '0.0.0.0', DEEPWATCH_OPEN: 'true' }).HOST).toBe('0.0.0.0')
    expect(
      loadConfig({ HOST: '0.0.0.0', DEEPWATCH_TOKENS: `ops:read+admin:${hash}` }).DEEPWATCH_TOKENS?.[0]?.name,
    ).toBe('ops')
    for (const HOST of ['127.0.0.1', 'localhost', '::1', '127.8.9.1']) expect(loadConfig({ HOST }).HOST).toBe(HOST)
  })

  test('sizes take binary suffixes, an empty text counts as absent, a flag beats the environment', () => {
    expect(loadConfig({ DEEPWATCH_JSON_BYTES: '2MiB' }).DEEPWATCH_JSON_BYTES).toBe(2 * 1024 * 1024)
    expect(loadConfig({ DEEPWATCH_JSON_BYTES: '4096' }).DEEPWATCH_JSON_BYTES).toBe(4096)
    expect(loadConfig({ PORT: '' }).PORT).toBe(8080)
    expect(loadConfig({ PORT: '1' }, { PORT: '2' }).PORT).toBe(2)
  })

  test('printing shows every setting with its origin and no secret', () => {
    const env = { DEEPWATCH_TOKENS: `ops:read+score:${hash}`, PORT: '9' }
    const printed = printConfig(loadConfig(env, { LOG_LEVEL: 'warn' }), env, { LOG_LEVEL: 'warn' })
    expect(JSON.stringify(printed)).not.toContain(hash)
    const of = (key: string) => printed.find((entry) => entry.key === key)
    expect(of('DEEPWATCH_TOKENS')).toMatchObject({ value: 'ops:read+score', origin: 'environment' })
    expect(of('LOG_LEVEL')).toMatchObject({ value: 'warn', origin: 'flag' })
    expect(of('HOST')).toMatchObject({ origin: 'default' })
  })
})
