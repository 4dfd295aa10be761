/** `deepwatch openapi`: the document that the routes make. */
import pino from 'pino'
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import type { Call } from './command.ts'
import { noOperands } from './given.ts'

export async function run(call: Call): Promise<number> {
  noOperands(call)
  const app = await buildApp(loadConfig({}), pino({ level: 'silent' }))
  const text = app.http.swagger({ yaml: true })
  await app.stop()
  await call.print(text)
  return 0
}
