/** `deepwatch openapi`: the document that the routes make. */
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { createLog } from '../observe/index.ts'
import type { Call } from './command.ts'
import { noOperands } from './given.ts'

export async function run(call: Call): Promise<number> {
  noOperands(call)
  const config = loadConfig({})
  const app = await buildApp(config, createLog(config, { write: () => {} }))
  const text = app.http.swagger({ yaml: true })
  await app.stop()
  await call.print(text)
  return 0
}
