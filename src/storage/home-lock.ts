/**
 * One process per state folder. A lock is a file `lock/<generation>`; the highest generation counts. Whoever finds it released or
 * its holder gone creates the next generation, which can succeed only once, and then looks whether it is still the highest. The
 * number never goes back (a release leaves its file, marked), so whoever acts on old knowledge meets an existing file or a higher one.
 */
import { link, mkdir, open, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DeepWatchError } from '../errors.ts'
import { errorCode, newTemporaryName, tryTo } from './durable-files.ts'
import { type Holder, isGone, isHere, thisProcess } from './holder.ts'

export type HomeLock = ReturnType<typeof hold>

export interface HomeLockOptions {
  /** Called once when another process took over, or somebody removed the lock: stop writing at once. */
  readonly onLost?: () => void
  /** Called once when the start has to watch a holder elsewhere, with the seconds that takes at most. */
  readonly onWaiting?: (seconds: number) => void
  /** A living holder touches its file so often. */
  readonly beatMs?: number
  /** A holder on another host, silent for so long, is taken for gone. */
  readonly staleMs?: number
}

interface Found {
  readonly generation: number
  readonly released: boolean
  /** Null when the file says nothing that can be read. */
  readonly holder: Holder | null
  readonly touchedMs: number
}

/**
 * Takes the state folder, creating it (0700). Throws 'home_locked' while another process holds it, 'invalid_setting' when it
 * cannot be written. A dead holder on this host is followed at once, one elsewhere ten seconds after its last sign of life.
 */
export async function lockHome(home: string, options: HomeLockOptions = {}): Promise<HomeLock> {
  const { onLost = () => {}, onWaiting = () => {}, beatMs = 2_000, staleMs = 10_000 } = options
  let hasWaited = false
  const tellOnce = (seconds: number) => {
    if (!hasWaited) onWaiting(seconds)
    hasWaited = true
  }
  const folder = join(home, 'lock')
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (;;) {
      const found = await findNewest(folder)
      if (found !== null && !found.released)
        await waitUntilGone(folder, found, { beatMs, staleMs, onWaiting: tellOnce })
      const generation = (found?.generation ?? 0) + 1
      if (await claim(folder, generation)) return hold(folder, generation, beatMs, onLost)
    }
  } catch (error) {
    if (error instanceof DeepWatchError) throw error
    const code = errorCode(error) ?? 'unknown reason'
    const detail = `DEEPWATCH_HOME: the folder cannot be created or written (${code}).`
    throw new DeepWatchError('invalid_setting', detail, { cause: error })
  }
}

/** The lock that counts, or null before the first one. */
async function findNewest(folder: string): Promise<Found | null> {
  for (;;) {
    const generation = await newestGeneration(folder)
    if (generation === 0) return null
    const path = join(folder, lockName(generation))
    try {
      const { mtimeMs } = await stat(path)
      const text = await readFile(path, 'utf8')
      return { generation, ...readRecord(text), touchedMs: mtimeMs }
    } catch (error) {
      // A newer one has replaced it since.
      if (errorCode(error) !== 'ENOENT') throw error
    }
  }
}

async function newestGeneration(folder: string): Promise<number> {
  const names = await readdir(folder)
  return names.filter((name) => /^\d{8,15}$/.test(name)).reduce((newest, name) => Math.max(newest, Number(name)), 0)
}

function lockName(generation: number): string {
  return String(generation).padStart(8, '0')
}

function readRecord(text: string): Pick<Found, 'released' | 'holder'> {
  try {
    const record = JSON.parse(text) as Partial<Holder> & { released?: boolean }
    if (record.released === true) return { released: true, holder: null }
    if (typeof record.pid === 'number' && typeof record.boot === 'string' && typeof record.namespace === 'string') {
      return { released: false, holder: record as Holder }
    }
  } catch {
    // Cut short by a power loss, or on a file system where a record appears before it is written.
  }
  return { released: false, holder: null }
}

/** Returns once the holder is gone, or the lock has changed hands; throws 'home_locked' when it lives. */
async function waitUntilGone(
  folder: string,
  found: Found,
  { beatMs, staleMs, onWaiting }: Required<Omit<HomeLockOptions, 'onLost'>>,
): Promise<void> {
  const { holder } = found
  if (holder !== null && isHere(holder)) {
    if (isGone(holder)) return
    throw locked(holder)
  }
  // Ages by the clock of the file system at first and by our steady clock from then on, so that neither a
  // clock that differs between hosts nor one that jumps takes a living holder for dead.
  const ageMs = Math.max(0, (await fileSystemNow(folder)) - found.touchedMs)
  const started = performance.now()
  const waitMs = Math.max(1.5 * beatMs, staleMs - ageMs)
  onWaiting(Math.ceil(waitMs / 1000))
  while (performance.now() - started < waitMs) {
    await delay(beatMs / 8)
    const now = await findNewest(folder)
    if (now === null || now.generation !== found.generation || now.released) return
    if (now.touchedMs !== found.touchedMs) throw locked(now.holder ?? holder)
  }
}

function locked(holder: Holder | null): DeepWatchError {
  if (holder === null) return new DeepWatchError('home_locked', 'Another process uses the state folder.')
  const { pid, since } = holder
  const where = isHere(holder) ? '' : ' on another host or in another container'
  return new DeepWatchError('home_locked', `Process ${pid}${where} has used the state folder since ${since}.`, {
    facts: { pid, since },
  })
}

async function fileSystemNow(folder: string): Promise<number> {
  const probe = join(folder, newTemporaryName())
  await writeFile(probe, '', { flag: 'wx', mode: 0o600 })
  const { mtimeMs } = await stat(probe)
  await tryTo(() => unlink(probe))
  return mtimeMs
}

/** Creates a generation and tells whether it is the one that counts; false when somebody else was first. */
async function claim(folder: string, generation: number): Promise<boolean> {
  const path = join(folder, lockName(generation))
  const record = JSON.stringify(thisProcess())
  if (!(await createWhole(folder, path, record))) return false
  if ((await newestGeneration(folder)) !== generation) {
    await tryTo(() => unlink(path))
    return false
  }
  for (const name of await readdir(folder)) {
    if (name !== lockName(generation)) await tryTo(() => unlink(join(folder, name)))
  }
  return true
}

/** Creates a file that appears with its content; false when it was there. */
async function createWhole(folder: string, path: string, text: string): Promise<boolean> {
  const temporary = join(folder, newTemporaryName())
  const exclusive = { flag: 'wx', mode: 0o600 }
  try {
    await writeFile(temporary, text, exclusive)
    await link(temporary, path).catch(async (error) => {
      // Without hard links a reader may meet an empty record, and then waits for a sign of life.
      if (!withoutLinks.includes(errorCode(error) ?? '')) throw error
      await writeFile(path, text, exclusive)
    })
    return true
  } catch (error) {
    const code = errorCode(error)
    // ENOENT: a winner swept the temporary file away.
    if (code === 'EEXIST' || code === 'ENOENT') return false
    throw error
  } finally {
    await tryTo(() => unlink(temporary))
  }
}

/** What a file system without hard links answers. */
const withoutLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']

function hold(folder: string, generation: number, beatMs: number, onLost: () => void) {
  const path = join(folder, lockName(generation))
  const first = Buffer.from('{')
  let held = true
  let beating: Promise<void> = Promise.resolve()
  const isStillOurs = async () => (await newestGeneration(folder)) === generation
  const beat = async () => {
    try {
      const file = await open(path, 'r+')
      try {
        // Writing the byte that is there touches the file with the time of the file system, not with ours.
        await file.write(first, 0, 1, 0)
      } finally {
        await file.close()
      }
      if (await isStillOurs()) return
    } catch (error) {
      // A full or failing disk is no reason to give the folder up: no other process has taken it.
      if (errorCode(error) !== 'ENOENT') return
    }
    if (!held) return
    held = false
    clearInterval(timer)
    onLost()
  }
  const timer = setInterval(() => {
    beating = beating.then(beat)
  }, beatMs)
  timer.unref()
  return {
    /** Gives the folder back; a second call does nothing. */
    async release(): Promise<void> {
      if (!held) return
      held = false
      clearInterval(timer)
      await beating
      const temporary = join(folder, newTemporaryName())
      await tryTo(async () => {
        if (!(await isStillOurs())) return
        await writeFile(temporary, JSON.stringify({ released: true }), { flag: 'wx', mode: 0o600 })
        await rename(temporary, path)
      })
    },
  }
}
