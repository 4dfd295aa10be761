/**
 * A process that takes state folders as its parent says, one line each way:
 * `take <home>` answers `won` or the code of the refusal, `free` answers `freed`; `contend <home> <ms>` takes and frees one home as
 * often as it can and answers `<times> <violations>`, a violation being a second holder at the same time.
 */
import { unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { DeepWatchError } from '../../src/errors.ts'
import { type HomeLock, lockHome } from '../../src/storage/home-lock.ts'

let lock: HomeLock | null = null

async function take(home: string): Promise<string> {
  try {
    lock = await lockHome(home, { onLost: () => process.exit(7) })
    return 'won'
  } catch (error) {
    return error instanceof DeepWatchError ? error.code : String(error)
  }
}

async function free(): Promise<string> {
  await lock?.release()
  lock = null
  return 'freed'
}

async function contend(home: string, durationMs: number): Promise<string> {
  const end = performance.now() + durationMs
  let [times, violations] = [0, 0]
  while (performance.now() < end) {
    if ((await take(home)) !== 'won') {
      await delay(Math.random() * 3)
      continue
    }
    times++
    const proof = join(home, 'holder')
    try {
      await writeFile(proof, String(process.pid), { flag: 'wx' })
      await delay(Math.random() * 2)
      await unlink(proof)
    } catch {
      violations++
    }
    await free()
  }
  return `${times} ${violations}`
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command, home = '', durationMs = '0'] = line.split(' ')
  const answer =
    command === 'take'
      ? await take(home)
      : command === 'contend'
        ? await contend(home, Number(durationMs))
        : await free()
  process.stdout.write(`${answer}\n`)
}
