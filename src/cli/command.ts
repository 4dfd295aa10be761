/** What a command is, and what it is called with. */
import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { Work } from '../work.ts'
import type { Flag } from './flag.ts'
import type { ShownProgress } from './progress.ts'

/** A row of the table of commands: all that help, completion and dispatch know. */
export interface Command {
  readonly name: string
  readonly summary: string
  /** What stands after the name; flags excepted. */
  readonly operands: string
  readonly example: string
  /** Flags of its own, the most useful first. */
  readonly own: readonly Flag[]
  /** The settings whose members become flags; loaded only when they are needed. */
  readonly schema?: () => Promise<z.ZodObject>
  /** Members of the schema that are given otherwise. */
  readonly without?: readonly string[]
  /** Flags of settings that the short help explains. */
  readonly explained?: readonly string[]
  readonly load: () => Promise<{ run(call: Call): Promise<number> }>
}

/** A call of a command, its arguments taken apart but not yet judged. */
export interface Call {
  readonly commands: readonly Command[]
  readonly command: Command
  readonly operands: readonly string[]
  readonly settings: Readonly<Record<string, unknown>>
  text(name: string): string | undefined
  isOn(name: string): boolean
  /** Checks settings with a schema; what is wrong names its flag. */
  check<S extends z.ZodObject>(schema: S, settings: Readonly<Record<string, unknown>>): z.infer<S>
  /** Aborted by an interrupt, or when nobody reads the output any more. */
  readonly work: Work & { readonly progress: ShownProgress }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Readable
  readonly isTerminal: boolean
  /** A line for people on standard error, unless they asked for quiet. */
  tell(line: string): void
  /** Text or bytes on standard output; waits until they are taken. */
  print(text: string | Uint8Array): Promise<void>
  /** A document as JSON on standard output: with `--json` on one line, else indented by so many spaces. */
  printJson(document: unknown, indent?: number): Promise<void>
}
