// Adds up the test reports of several runs into one line, and refuses what must not happen in CI: a
// skipped test, a run without tests, a report that is not there.
import { readFileSync } from 'node:fs'

const reports = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, 'utf8')))
const all = reports.flatMap((report) =>
  report.testResults.flatMap((file) => file.assertionResults.map((test) => ({ ...test, file: file.name }))),
)
const count = (...states) => all.filter((test) => states.includes(test.status)).length
const [passed, failed, skipped] = [count('passed'), count('failed'), count('pending', 'skipped', 'todo', 'disabled')]
const brokenFiles = reports
  .flatMap((report) => report.testResults)
  .filter((file) => file.status === 'failed' && file.assertionResults.length === 0)

for (const test of all) {
  if (test.status === 'failed') console.log(`failed: ${test.fullName}`)
  else if (test.status !== 'passed') console.log(`skipped: ${test.fullName}`)
}
for (const file of brokenFiles) console.log(`failed before its first test: ${file.name.split('/').slice(-2).join('/')}`)
if (reports.some((report) => report.numTotalTests === 0)) console.log('a run executed no test')

console.log(`${passed} passed, ${failed + brokenFiles.length} failed, ${skipped} skipped`)
if (failed + brokenFiles.length + skipped > 0 || reports.some((report) => report.numTotalTests === 0))
  process.exitCode = 1
