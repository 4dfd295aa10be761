#!/usr/bin/env node
/** The command line `deepwatch`. */
import { parseArgs } from 'node:util'
import pino from 'pino'
import { buildApp } from './app.ts'
import { loadConfig, printConfig } from './config.ts'
import { DeepWatchError } from './errors.ts'
import { serve } from './serve.ts'
import { software } from './software.ts'

const help = `deepwatch ${software.version}: anomaly detection for infrastructure telemetry

  deepwatch serve [--host A] [--port N] [--home DIR] [--data-roots A:B] [--print-config]
  deepwatch openapi      prints the OpenAPI document as YAML
  deepwatch --version

Settings come from the environment; a flag beats it. Example:

  deepwatch serve --port 9090 --home /var/lib/deepwatch
`

const serveFlags = {
  host: 'HOST',
  port: 'PORT',
  home: 'DEEPWATCH_HOME',
  'data-roots': 'DEEPWATCH_DATA_ROOTS',
  'log-level': 'LOG_LEVEL',
} as const
type ServeFlag = keyof typeof serveFlags

async function run(args: string[]): Promise<number> {
  const [command, ...rest] = args
  if (command === 'serve') return runServe(rest)
  if (command === 'openapi') return printOpenapi()
  if (command === '--version') return say(`${software.version}\n`)
  if (command === undefined || command === 'help' || command === '--help' || command === '-h') return say(help)
  process.stderr.write(
    `deepwatch: validation_failed: there is no command ${JSON.stringify(command.slice(0, 40))}; see deepwatch --help\n`,
  )
  return 2
}

async function runServe(args: string[]): Promise<number> {
  const text = { type: 'string' } as const
  let values: Partial<Record<ServeFlag, string>> & { help?: boolean; 'print-config'?: boolean }
  try {
    ;({ values } = parseArgs({
      args,
      options: {
        host: text,
        port: text,
        home: text,
        'data-roots': text,
        'log-level': text,
        help: { type: 'boolean', short: 'h' },
        'print-config': { type: 'boolean' },
      },
    }))
  } catch (error) {
    process.stderr.write(`deepwatch: validation_failed: ${(error as Error).message.split('\n', 1)[0]}\n`)
    return 2
  }
  if (values.help) return say(help)
  const flags: Record<string, string> = {}
  for (const [flag, key] of Object.entries(serveFlags)) {
    const value = values[flag as ServeFlag]
    if (value !== undefined) flags[key] = value
  }
  if (!values['print-config']) return serve(process.env, flags)
  try {
    const printed = printConfig(loadConfig(process.env, flags), process.env, flags)
    const width = Math.max(...printed.map(({ key, value }) => key.length + value.length))
    return say(
      printed
        .map(
          ({ key, value, origin, description }) =>
            `${`${key}=${value}`.padEnd(width + 3)}# ${origin}: ${description}\n`,
        )
        .join(''),
    )
  } catch (error) {
    if (!(error instanceof DeepWatchError)) throw error
    process.stderr.write(`deepwatch: ${error.code}: ${error.message}\n`)
    return 1
  }
}

async function printOpenapi(): Promise<number> {
  const app = await buildApp(loadConfig({}), pino({ level: 'silent' }))
  const text = app.http.swagger({ yaml: true })
  await app.stop()
  return say(text)
}

function say(text: string): number {
  process.stdout.write(text)
  return 0
}

process.exitCode = await run(process.argv.slice(2))
