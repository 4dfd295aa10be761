/** A real Prometheus scrapes the running service; what it stores is what was scored, to the row. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unscoredReasons } from '../../src/schemas/score.ts'
import { exampleRows, startApp, type TestApp } from '../app.ts'
import { freshFolder } from '../endings.ts'

const isInstalled = spawnSync('prometheus', ['--version']).status === 0

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

describe.skipIf(!isInstalled)('a real Prometheus (needs the program prometheus)', () => {
  let service: TestApp
  let prometheus: ChildProcess
  let api: string

  beforeAll(async () => {
    service = await startApp()
    const folder = await freshFolder()
    const port = await freePort()
    const config = join(folder, 'prometheus.yml')
    const target = new URL(service.url).host
    await writeFile(
      config,
      `global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs: [{job_name: deepwatch, static_configs: [{targets: ['${target}']}]}]\n`,
    )
    prometheus = spawn(
      'prometheus',
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'tsdb')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=warn',
      ],
      { stdio: 'ignore' },
    )
    api = `http://127.0.0.1:${port}/api/v1/query`
  })

  afterAll(async () => {
    if (prometheus.exitCode === null && prometheus.kill('SIGKILL')) await once(prometheus, 'exit')
  })

  /** The values of a query by their label sets, without the ones that Prometheus adds. */
  async function query(text: string): Promise<Record<string, number>> {
    const answer = await request(`${api}?${new URLSearchParams({ query: text })}`).catch(() => null)
    if (answer?.statusCode !== 200) {
      await answer?.body.dump()
      return {}
    }
    const { data } = (await answer.body.json()) as {
      data: { result: { metric: Record<string, string>; value: [number, string] }[] }
    }
    return Object.fromEntries(
      data.result.map(({ metric: { __name__, job, instance, ...labels }, value }) => [
        JSON.stringify(labels),
        Number(value[1]),
      ]),
    )
  }

  /** Asks again until the condition holds; Prometheus gives no event for a finished scrape. */
  async function until(
    text: string,
    holds: (values: Record<string, number>) => boolean,
  ): Promise<Record<string, number>> {
    const deadline = Date.now() + 20_000
    for (;;) {
      const values = await query(text)
      if (holds(values) || Date.now() > deadline) return values
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  const post = async (path: string, body: object) => {
    const answer = await request(service.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return (await answer.body.json()) as { anomalies: number }
  }

  test('sees counters at 0 before the first score, and every row after it', async () => {
    const rows = exampleRows(300)
    await post('/train', { model: 'web', rows })
    const zero = await until('deepwatch_rows_scored_total', (values) => Object.keys(values).length > 0)
    expect(zero).toEqual({ '{"model":"web","version":"1"}': 0 })
    expect(await query('up')).toEqual({ '{}': 1 })

    const { anomalies } = await post('/score', { model: 'web', rows })
    expect(anomalies).toBeGreaterThan(0)
    await post('/score', { model: 'web', rows: [{ ts: rows[0]!.ts, cpu: null, latency: 1 }] })
    const scored = await until('deepwatch_rows_rejected_total', (values) =>
      Object.values(values).some((value) => value > 0),
    )
    const counts = unscoredReasons.map((reason) => [JSON.stringify({ model: 'web', reason }), 0])
    expect(scored).toEqual({ ...Object.fromEntries(counts), '{"model":"web","reason":"missing_value"}': 1 })
    expect(await query('deepwatch_rows_scored_total')).toEqual({ '{"model":"web","version":"1"}': 300 })
    expect(await query('deepwatch_anomalies_total')).toEqual({ '{"model":"web","version":"1"}': anomalies })
    expect(await query('deepwatch_anomaly_score_count')).toEqual({ '{"model":"web"}': 300 })
    expect(await query('deepwatch_anomaly_score_bucket{le="+Inf"}')).toEqual({ '{"le":"+Inf","model":"web"}': 300 })
    expect(await query('deepwatch_models_loaded')).toEqual({ '{}': 1 })
    expect(Object.keys(await query('deepwatch_build_info')).length).toBe(1)
  })

  test('promtool finds nothing wrong with our own metrics', async () => {
    const { body } = await request(`${service.url}/metrics`, { headers: { accept: 'text/plain' } })
    const own = (await body.text())
      .split('\n')
      .filter((line) => /^(# \w+ )?deepwatch_/.test(line))
      .join('\n')
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: `${own}\n`, encoding: 'utf8' })
    expect(checked.stderr + checked.stdout).toBe('')
    expect(checked.status).toBe(0)
  })
})
