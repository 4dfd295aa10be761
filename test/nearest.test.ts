import { expect, test } from 'vitest'
import { didYouMean, nearest } from '../src/nearest.ts'

const detectors = ['ensemble', 'extended-isolation-forest', 'isolation-forest', 'k-nearest-neighbours', 'mahalanobis']
const settings = ['model', 'timestamp', 'entity', 'label', 'features', 'timeFeatures', 'missing', 'serve', 'keep']
const columns = ['cpu', 'latency_ms', 'Host Name', 'requests']

test.each<[string, readonly string[], string | null]>([
  ['entitiy', settings, 'entity'],
  ['time_stamp', settings, 'timestamp'],
  ['TimeStamp', settings, 'timestamp'],
  ['time', settings, 'timestamp'],
  ['time_features', settings, 'timeFeatures'],
  ['kepe', settings, 'keep'],
  ['iforest', detectors, 'isolation-forest'],
  ['isolationforest', detectors, 'isolation-forest'],
  ['isolation-forst', detectors, 'isolation-forest'],
  ['knn', detectors, 'k-nearest-neighbours'],
  ['shwo', ['list', 'show', 'serve', 'rm'], 'show'],
  ['CPU', columns, 'cpu'],
  ['latency', columns, 'latency_ms'],
  ['host_name', columns, 'Host Name'],
  ['nonsense', settings, null],
  ['x', settings, null],
  ['a', ['b'], null],
  ['', settings, null],
  ['cpu', [], null],
  ['m'.repeat(65), ['m'.repeat(65)], null],
])('%s means, of %j, %j', (word, names, meant) => {
  expect(nearest(word, names)).toBe(meant)
})

test('a suggestion is plain text at the end of a message', () => {
  expect(didYouMean('/scores', ['/score', '/train'])).toBe(' (did you mean /score?)')
  expect(didYouMean('hostname', ['host\nname'])).toBe(' (did you mean "host\\nname"?)')
  expect(didYouMean('nonsense', ['/score'])).toBe('')
})
