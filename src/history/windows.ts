/**
 * What is remembered between requests of the rows that came as JSON: the last window of every entity, per model version. Bounded
 * by entities and bytes, least recently seen out first; written down when the service stops and taken up when it starts.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { History, type HistoryPlan, maxHistoryRows } from '../kernels/history/index.ts'
import { putInPlace, realDisk, temporaryName } from '../storage/index.ts'
import { entityBytes, type HistoryKeeper, type Turn } from '../telemetry/index.ts'

/** The version that windows belong to. */
export interface WindowOwner {
  readonly name: string
  readonly version: number
  /** Names the artefact and nothing else. */
  readonly digest: string
}

/** Something that is kept for an entity. */
export interface Kept {
  /** Memory it takes, roughly. */
  readonly bytes: number
  /** Everything it knows, as numbers. */
  store(): Float64Array
}

export type Windows = Awaited<ReturnType<typeof openWindows>>

interface WindowHooks {
  onEvicted(): void
  /** What an earlier process wrote down cannot be used. */
  onDamaged(): void
}

const folderName = 'windows'
const fileName = 'windows.bin'
const formatVersion = 1
const digestBytes = 32

interface Place {
  readonly owner: WindowOwner
  readonly slot: string
  readonly entity: string | null
}

interface Entry extends Place {
  /** From an earlier process, and not asked for yet. */
  readonly stored: Float64Array | null
  readonly kept: Kept | null
  readonly bytes: number
}

/** Takes up what the last orderly stop left in `home`; the file is gone then, because it must not be taken up twice. */
export async function openWindows(
  home: string,
  limits: { readonly entities: number; readonly bytes: number },
  hooks: WindowHooks,
) {
  const folder = join(home, folderName)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  /** The longest unseen first. */
  const entries = new Map<string, Entry>()
  let bytes = 0

  const turn = createTurns()

  const drop = (key: string, entry: Entry) => {
    entries.delete(key)
    bytes -= entry.bytes
  }
  function makeRoom(): void {
    for (const [key, entry] of entries) {
      if (bytes <= limits.bytes && entries.size <= limits.entities) return
      drop(key, entry)
      hooks.onEvicted()
    }
  }
  function removeWhere(matches: (owner: WindowOwner) => boolean): void {
    for (const [key, entry] of entries) if (matches(entry.owner)) drop(key, entry)
  }
  function add(key: string, entry: Entry): void {
    const before = entries.get(key)
    if (before) drop(key, before)
    entries.set(key, entry)
    bytes += entry.bytes
  }

  /** Lets `use` work with what is kept for an entity, or else made by `create` from what was stored; the result is kept. */
  function visit<Own extends Kept, Result>(
    place: Place,
    create: (stored: Float64Array | null) => Own,
    use: (kept: Own) => Result,
  ): Result {
    const key = keyOf(place)
    const found = entries.get(key)
    const kept = (found?.kept ?? create(found?.stored ?? null)) as Own
    const result = use(kept)
    const { slot, entity } = place
    const { name, version, digest } = place.owner
    // No more of the owner is held: a handle would keep its forest in memory.
    const owner = found?.owner ?? { name, version, digest }
    add(key, { owner, slot, entity, stored: null, kept, bytes: kept.bytes + entityBytes(entity) })
    makeRoom()
    return result
  }

  for (const entry of await takeUp(folder, hooks)) add(keyOf(entry), entry)
  makeRoom()

  return {
    visit,
    /** The histories of a version's entities, going on from request to request. */
    histories: (owner: WindowOwner, plan: HistoryPlan): HistoryKeeper => ({
      turn: () => turn(owner, 'rows'),
      take(entity, time, base, out) {
        const place = { owner, slot: 'derived', entity }
        const create = (stored: Float64Array | null) => new History(plan, stored)
        return visit(place, create, (history) => {
          const state = history.take(time, base, out)
          if (history.rows > maxHistoryRows) history.clear()
          return state
        })
      },
    }),
    turn,
    /** Windows that are kept. */
    get size(): number {
      return entries.size
    },
    removeVersion: (model: string, version: number): void =>
      removeWhere((owner) => owner.name === model && owner.version === version),
    removeModel: (model: string): void => removeWhere((owner) => owner.name === model),
    /** Writes everything down. Errors: whatever the disk throws. */
    async save(): Promise<void> {
      if (entries.size > 0) await putInPlace(realDisk, folder, fileName, encode([...entries.values()]))
    },
  }
}

/** Gives out places in the lines of those who work on a version's windows in several steps. */
function createTurns() {
  /** The end of the line, per version that somebody works on. */
  const lines = new Map<string, Promise<void>>()

  return ({ digest }: WindowOwner, line: 'rows' | 'scores'): Turn => {
    const key = `${line} ${digest}`
    const come = lines.get(key) ?? Promise.resolve()
    let leave = () => {}
    const left = new Promise<void>((resolve) => {
      leave = resolve
    })
    const end = come.then(() => left)
    lines.set(key, end)
    void end.then(() => {
      if (lines.get(key) === end) lines.delete(key)
    })
    return { come, leave: () => leave() }
  }
}

function keyOf({ owner, slot, entity }: Place): string {
  return `${owner.name}@${owner.version} ${owner.digest} ${slot} ${entity === null ? '' : `=${entity}`}`
}

/** A digest of what follows, the length of the heads, the heads as JSON, and the numbers of all entries. */
function encode(entries: readonly Entry[]): Uint8Array[] {
  const numbers = entries.map(({ kept, stored }) => stored ?? kept?.store() ?? new Float64Array(0))
  const heads = entries.map(({ owner, slot, entity }, i) => ({ owner, slot, entity, numbers: numbers[i]!.length }))
  const head = Buffer.from(JSON.stringify({ format: formatVersion, entries: heads }))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(head.length)
  const parts = [length, head, ...numbers.map((each) => Buffer.from(each.buffer, each.byteOffset, each.byteLength))]
  const digest = createHash('sha256')
  for (const part of parts) digest.update(part)
  return [digest.digest(), ...parts]
}

async function takeUp(folder: string, hooks: WindowHooks): Promise<Entry[]> {
  const path = join(folder, fileName)
  try {
    const bytes = await readFile(path)
    // A later stop that is none must not bring this back.
    await rm(path)
    return decode(bytes)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') hooks.onDamaged()
    return []
  } finally {
    for (const name of await readdir(folder).catch(() => []))
      if (name === fileName || temporaryName.test(name)) await rm(join(folder, name), { force: true })
  }
}

function decode(bytes: Buffer): Entry[] {
  const digest = createHash('sha256').update(bytes.subarray(digestBytes)).digest()
  if (!digest.equals(bytes.subarray(0, digestBytes))) throw new Error('the digest does not match')
  const headEnd = digestBytes + 4 + bytes.readUInt32LE(digestBytes)
  const head = JSON.parse(bytes.subarray(digestBytes + 4, headEnd).toString()) as {
    format: number
    entries: (Place & { readonly numbers: number })[]
  }
  if (head.format !== formatVersion) throw new Error('the format is another one')
  let at = headEnd
  return head.entries.map(({ owner, slot, entity, numbers }) => {
    const stored = new Float64Array(numbers)
    new Uint8Array(stored.buffer).set(bytes.subarray(at, at + 8 * numbers))
    at += 8 * numbers
    return { owner, slot, entity, stored, kept: null, bytes: 8 * numbers + entityBytes(entity) }
  })
}
