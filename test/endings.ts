/** What a test file leaves running or lying about, ended when it is done. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** What has to end or go when the test file is done; a hook that a test registers while it runs would never be called. */
const endings: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

/** Calls `end` when the test file is done: what was begun last ends first. */
export function atTheEnd(end: () => Promise<unknown>): void {
  endings.push(end)
}

/** An empty folder below the system's temporary one, removed when the test file ends. */
export async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'deepwatch-test-'))
  atTheEnd(() => rm(folder, { recursive: true, force: true }))
  return folder
}
