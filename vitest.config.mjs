import { defineConfig } from 'vitest/config'

// The tests run as compiled JavaScript from dist/: the same files that serve, the same worker threads,
// the same reading process. On Node 20 a `.ts` worker under a loader fails inside piscina.
export default defineConfig({
  test: {
    include: ['dist/test/**/*.test.js'],
    exclude: ['node_modules/**'],
    setupFiles: ['dist/test/setup.js'],
    globalSetup: ['dist/test/leftovers.js'],
    pool: 'forks',
    // Real threads and processes share two cores with the tests: two files at once are enough.
    maxWorkers: 2,
    // Generous: a limit is for what hangs, not for a machine that is busy.
    testTimeout: 180_000,
    hookTimeout: 60_000,
    reporters: process.env['VITEST_JSON']
      ? ['default', ['json', { outputFile: process.env['VITEST_JSON'] }]]
      : ['default'],
  },
})
