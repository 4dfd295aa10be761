/** The serving process: settings, log, app, signals. */
import { serve } from './serve.ts'

process.exitCode = await serve(process.env)
