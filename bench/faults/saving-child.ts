/**
 * A process that changes a registry as fast as it can, to be killed: `saving-child.js <home> <seed> <lanes> <operations>`.
 * Every lane works on one model, one operation after the other. Before an operation it prints
 * `start <json>`, after it `done <json>`; the lines are written at once, so that what was printed was true when it was killed.
 */
import { writeSync } from 'node:fs'
import { openRegistry } from '../../src/registry/registry.ts'
import { lockHome } from '../../src/storage/home-lock.ts'
import { type Operation, payloadOf, type SavedDocument, seededRandom } from './operations.ts'

const [home = '', seed = '0', lanes = '1', operations = 'Infinity'] = process.argv.slice(2)
const say = (word: string, facts: object = {}) => writeSync(1, `${word} ${JSON.stringify(facts)}\n`)

await lockHome(home)
const log = { info: () => {}, warn: () => {}, error: (facts: object) => void say('log', facts) }
const registry = await openRegistry<SavedDocument>({ home, cacheBytes: 1_000_000, maxModels: 100, log })
say('ready')

async function work(lane: number): Promise<void> {
  const random = seededRandom(Number(seed) * 101 + lane)
  const model = `lane-${lane}`
  for (let count = 0; count < Number(operations); count++) {
    const operation = choose(model, `${seed}.${lane}.${count}`, random)
    say('start', operation)
    const saved = await run(operation)
    say('done', { ...operation, saved })
  }
}

/** Saves most of the time; a model does not grow beyond some versions. */
function choose(model: string, nonce: string, random: () => number): Operation {
  const versions = registry.list().models.find(({ name }) => name === model)?.versions ?? []
  const any = versions[Math.floor(random() * versions.length)]
  const kind = random()
  if (any === undefined || (kind < 0.6 && versions.length < 8)) {
    return { do: 'add', model, nonce, serve: random() < 0.8, bytes: Math.floor(random() ** 3 * 600_000) }
  }
  if (kind < 0.75) return { do: 'choose', model, version: any }
  return kind < 0.95 ? { do: 'remove', model, version: any } : { do: 'drop', model }
}

/** The number a saved version got, 0 for other operations. */
async function run(operation: Operation): Promise<number> {
  const { model } = operation
  if (operation.do === 'add') {
    const { nonce, bytes, serve } = operation
    const build = (version: number) => ({
      document: { model, version, nonce, bytes },
      payload: payloadOf(nonce, bytes),
    })
    return (await registry.add(model, build, { serve })).version
  }
  if (operation.do === 'choose') await registry.setServing(model, operation.version)
  else if (operation.do === 'remove') await registry.removeVersion(model, operation.version)
  else await registry.removeModel(model)
  return 0
}

await Promise.all(Array.from({ length: Number(lanes) }, (_, lane) => work(lane)))
process.exit(0)
