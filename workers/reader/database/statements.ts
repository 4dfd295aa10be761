import { readFileSync } from 'node:fs'
import { sqlFolder } from '../../../src/places.ts'

/** The statements of `sql/` by the names of their files. */
const statements = new Map<string, string>()

/**
 * The statement of `sql/<name>.sql`, loaded when it is first used, with its slots filled. Every slot must be given and used. Slots take
 * constants of ours and names that went through `quoteName`; values are bound.
 */
export function statement(name: string, slots: Readonly<Record<string, string>> = {}): string {
  let body = statements.get(name)
  if (body === undefined) {
    const text = readFileSync(new URL(`${name}.sql`, sqlFolder), 'utf8')
    body = text.replaceAll(/^--.*\n/gm, '').trim()
    statements.set(name, body)
  }
  return fill(body, slots)
}

/** Fills the `{{slots}}` of a text in one pass, so that nothing filled in is looked at again. */
export function fill(text: string, slots: Readonly<Record<string, string>>): string {
  const used = new Set<string>()
  const filled = text.replaceAll(/\{\{(\w+)\}\}/g, (_, slot: string) => {
    if (!Object.hasOwn(slots, slot)) throw new Error(`slot ${slot} is empty`)
    used.add(slot)
    return slots[slot] as string
  })
  for (const slot of Object.keys(slots)) if (!used.has(slot)) throw new Error(`no slot ${slot}`)
  return filled
}

/** A name from outside as an SQL identifier. The only way a name gets into a statement. Names with NUL are refused before. */
export function quoteName(name: string): string {
  if (name.includes('\0')) throw new Error('a name with NUL cannot be quoted')
  return `"${name.replaceAll('"', '""')}"`
}

/** A text as an SQL literal, for the few places where nothing can be bound. */
export function quoteText(text: string): string {
  if (text.includes('\0')) throw new Error('a text with NUL cannot be quoted')
  return `'${text.replaceAll("'", "''")}'`
}

/** Whether an expression is one of these, as SQL. Never `in`: of many values the database makes a join, and that loses the order of rows. */
export function isOneOf(expression: string, literals: readonly string[]): string {
  return `list_contains([${literals.join(', ')}], ${expression})`
}
