/** `deepwatch serve`: the service, or its settings with their origin. */
import { loadConfig, printConfig } from '../config.ts'
import type { Call } from './command.ts'
import { noOperands } from './given.ts'

const keys = {
  host: 'HOST',
  port: 'PORT',
  home: 'DEEPWATCH_HOME',
  'data-roots': 'DEEPWATCH_DATA_ROOTS',
  'log-level': 'LOG_LEVEL',
} as const

export async function run(call: Call): Promise<number> {
  noOperands(call)
  const flags: Record<string, string> = {}
  for (const [flag, key] of Object.entries(keys)) {
    const value = call.text(flag)
    if (value !== undefined) flags[key] = value
  }
  if (!call.isOn('print-config')) {
    const { serve } = await import('../serve.ts')
    return serve(call.env, flags)
  }
  const printed = printConfig(loadConfig(call.env, flags), call.env, flags)
  const width = Math.max(...printed.map(({ key, value }) => key.length + value.length))
  await call.print(
    printed
      .map(
        ({ key, value, origin, description }) => `${`${key}=${value}`.padEnd(width + 3)}# ${origin}: ${description}\n`,
      )
      .join(''),
  )
  return 0
}
