/**
 * Runs before every test file. Property tests draw the same cases every time, so that a change fails for what it
 * changed; `DEEPWATCH_TEST_SEED=random npm test` looks for what nobody thought of.
 */
import fc from 'fast-check'

const seed = process.env['DEEPWATCH_TEST_SEED'] ?? '20261122'
if (seed !== 'random') fc.configureGlobal({ seed: Number(seed) })
