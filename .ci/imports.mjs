// Runs the rules of `.dependency-cruiser.cjs`, finds files that belong to no room of its floors, and refuses to call silence
// success: dependency-cruiser reads nothing, and reports success, with a compiler it does not know.
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { cruise } from 'dependency-cruiser'

const { floors, forbidden, options } = createRequire(import.meta.url)('../.dependency-cruiser.cjs')
const tops = ['src', 'routes', 'workers']
const files = tops.flatMap((top) =>
  readdirSync(top, { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${top}/${name}`),
)

const result = await cruise(tops, { ...options, ruleSet: { forbidden, options }, validate: true })
const { violations, totalCruised, totalDependenciesCruised } = result.output.summary
const read = result.output.modules.filter(({ source }) => files.includes(source))

const problems = violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`)
const known = floors.flat()
for (const file of files) {
  if (!known.some((name) => file === `${name}.ts` || file.startsWith(`${name}/`))) problems.push(`no-floor: ${file}`)
  else if (!tops.includes(dirname(file)) && !existsSync(`${dirname(file)}/index.ts`)) problems.push(`no-room: ${file}`)
}
for (const name of known) {
  if (!existsSync(name) && !existsSync(`${name}.ts`)) problems.push(`no-such-room: ${name}`)
}
if (read.length < files.length || files.length < 20 || totalDependenciesCruised < read.length)
  problems.push('too few modules were read for this check to mean anything')

for (const problem of problems) console.error(problem)
console.log(
  `imports: ${read.length} modules of ${files.length} files, ${totalCruised} cruised, ${totalDependenciesCruised} dependencies, ${problems.length} problems`,
)
if (problems.length > 0) process.exitCode = 1
