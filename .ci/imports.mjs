// Runs the import rules and refuses to call silence success: dependency-cruiser reads nothing, and
// reports success, with a compiler it does not know.
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cruise } from 'dependency-cruiser'

const { forbidden, options } = createRequire(import.meta.url)('../.dependency-cruiser.cjs')
const rooms = ['src', 'routes', 'workers']
const files = rooms.flatMap((room) => readdirSync(room, { recursive: true }).filter((name) => name.endsWith('.ts')))

const result = await cruise(rooms, { ...options, ruleSet: { forbidden, options }, validate: true })
const { violations, totalCruised, totalDependenciesCruised } = result.output.summary
const own = result.output.modules.filter((module) => rooms.some((room) => module.source.startsWith(`${room}/`)))

for (const { rule, from, to } of violations) console.error(`${rule.name}: ${from} -> ${to}`)
console.log(
  `imports: ${own.length} modules of ${files.length} files, ${totalCruised} cruised, ${totalDependenciesCruised} dependencies, ${violations.length} violations`,
)
if (own.length < files.length || files.length < 20 || totalDependenciesCruised < own.length) {
  console.error('imports: too few modules were read for this check to mean anything')
  process.exitCode = 1
}
if (violations.length > 0) process.exitCode = 1
