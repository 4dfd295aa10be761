/** Vega-Lite to what Vega runs. The only importer of `vega-lite`, and loaded for those charts alone that were not compiled before. */
import { type LoggerInterface, parse, type Runtime } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'

/** Compiles the text of an outline. What comes back is plain data. */
export function compileOutline(text: string): Runtime {
  return parse(compile(JSON.parse(text) as TopLevelSpec, { logger: silent }).spec)
}

/** Layers that share a scale each name its domain, which Vega-Lite remarks upon. */
const silent: LoggerInterface = {
  level: () => silent as never,
  error: (...words) => {
    throw new Error(words.join(' '))
  },
  warn: () => silent,
  info: () => silent,
  debug: () => silent,
}
