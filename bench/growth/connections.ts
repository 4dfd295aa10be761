/** Growth with connections: small `POST /score` with one row as JSON, as fast as the answers come. */
import { bodyOf, load, startOurs } from '../online/sides.ts'
import type { Axis, Point } from './axis.ts'

const sizes = [1, 3, 10, 30, 100, 300, 1_000]
/** Seconds that are not measured, in which connections are accepted, and seconds that are. */
const settle = 5
const seconds = 3

export const connections: Axis = {
  name: 'connections',
  fixed: '1 row a request, client on the same cores',
  measures: [
    { key: 'perSecond', line: 'service', unit: 'requests/s', expected: 0 },
    { key: 'p99Ms', line: 'service', unit: 'p99 ms', expected: 1 },
    { key: 'mainThreadUs', line: 'service', unit: 'main thread us', expected: 0 },
  ],
  async run() {
    const service = await startOurs()
    const points: Point[] = []
    try {
      const body = bodyOf(1)
      await load(service, body, seconds)
      for (const size of sizes) {
        const many = { open: size, mayRefuse: 1, settle }
        const { perSecond, p50, p99, cpu, refused, opened } = await load(service, body, seconds, many)
        points.push({ size, figures: { perSecond, p99Ms: p99, mainThreadUs: cpu, p50Ms: p50, refused, opened } })
      }
      return points
    } finally {
      await service.stop()
    }
  },
}
