/** Growth with models in the registry: time until the service is ready, and its memory when nobody asks for anything. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type Artefact, encodeArtefact, openSource, readArtefact } from '../../src/registry/artefact.ts'
import { artefactName } from '../../src/registry/stored-models.ts'
import { post, trainingBody } from '../online/sides.ts'
import { startService, treeCpu, treePss } from '../service/service.ts'
import type { Axis, Point } from './axis.ts'

const sizes = [1, 10, 100, 1_000, 10_000]
/** Starts at each size, fewer when they take longer than this many seconds together. */
const starts = 3
const longest = 10
/** Memory is read this long after the service is ready, when what loading left behind has been let go. */
const settleMs = 2_000

/** The artefact of a model that the service itself trained: 8 features, 100 trees. */
async function trainOne(): Promise<Artefact> {
  const service = await startService()
  try {
    await post(`${service.url}/train`, trainingBody)
    const file = await open(join(service.home, 'models', 'web', artefactName(1)))
    try {
      return await readArtefact(await openSource(file), { keepPayload: true })
    } finally {
      await file.close()
    }
  } finally {
    await service.stop()
  }
}

/** The same model under another name: another header, and so another checksum. */
async function copyTo(home: string, name: string, { header, payload }: Artefact): Promise<void> {
  const { chunks } = await encodeArtefact({ ...header, model: name }, new Uint8Array(payload!))
  const folder = join(home, 'models', name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, artefactName(header.version)), Buffer.concat(chunks))
}

/** Starts the service a few times over these models: the least time until it is ready, the most memory. */
async function measureHome(home: string, size: number): Promise<Point> {
  const ready: number[] = []
  const processor: number[] = []
  const memory: number[] = []
  while (ready.length < starts && ready.reduce((sum, seconds) => sum + seconds, 0) < longest) {
    const started = performance.now()
    const service = await startService({ DEEPWATCH_HOME: home })
    ready.push((performance.now() - started) / 1000)
    try {
      processor.push(treeCpu(service.pid))
      const last = await fetch(`${service.url}/models/m${size - 1}`)
      if (!last.ok) throw new Error(await last.text())
      await setTimeout(settleMs)
      memory.push(treePss(service.pid) / 2 ** 20)
    } finally {
      await service.stop()
    }
  }
  return {
    size,
    figures: { readySeconds: Math.min(...ready), readyProcessor: Math.min(...processor), idleMiB: Math.max(...memory) },
  }
}

export const models: Axis = {
  name: 'models',
  fixed: '100 trees each, files in page cache',
  measures: [
    { key: 'readySeconds', line: 'service', unit: 's', expected: 1 },
    { key: 'readyProcessor', line: 'service', unit: 'processor s', expected: 1 },
    { key: 'idleMiB', line: 'service', unit: 'MiB', expected: 1 },
  ],
  async run() {
    const artefact = await trainOne()
    const home = mkdtempSync(join(tmpdir(), 'deepwatch-growth-'))
    const points: Point[] = []
    try {
      let made = 0
      for (const size of sizes) {
        for (; made < size; made++) await copyTo(home, `m${made}`, artefact)
        points.push(await measureHome(home, size))
      }
      return points
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  },
}
