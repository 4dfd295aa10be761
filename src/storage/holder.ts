/** The process that holds a state folder, and whether it is still there. */
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { errorCode } from './durable-files.ts'

export interface Holder {
  readonly pid: number
  /** Start of the process in clock ticks since boot, where /proc tells: a pid may be given again. */
  readonly start: string | null
  readonly boot: string
  /** Pid namespace: two containers of one host both have a process 1. */
  readonly namespace: string
  readonly host: string
  /** RFC 3339. */
  readonly since: string
}

const boot = readOrEmpty(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
const namespace = readOrEmpty(() => readlinkSync('/proc/self/ns/pid'))

export function thisProcess(): Holder {
  const { pid } = process
  const start = statusOf(pid)?.start ?? null
  return { pid, start, boot, namespace, host: hostname(), since: new Date().toISOString() }
}

/** Whether the holder's pid means something to us. Without /proc the host name must do. */
export function isHere(holder: Holder): boolean {
  if (boot === '') return holder.boot === '' && holder.host === hostname()
  return holder.boot === boot && holder.namespace === namespace
}

/** Whether a holder on this host has ended; a pid that belongs to another process now does not count as alive. */
export function isGone({ pid, start }: Holder): boolean {
  const status = statusOf(pid)
  if (status !== null) return status.isOver || (start !== null && start !== status.start)
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return errorCode(error) === 'ESRCH'
  }
}

/** Null where /proc does not know the process. One that has ended and waits for its parent is over. */
function statusOf(pid: number): { readonly start: string; readonly isOver: boolean } | null {
  const text = readOrEmpty(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  // The second field, the name, may hold spaces and brackets.
  const [state, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const start = rest[18]
  return start === undefined ? null : { start, isOver: state === 'Z' || state === 'X' }
}

function readOrEmpty(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
