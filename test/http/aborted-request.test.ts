/** The end of a client, as the work it asked for sees it. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { RequestWork } from '../../src/http/aborted-request.ts'

test('work is given up with the client, whether it listens or asks', () => {
  const work = new RequestWork(undefined)
  expect(work.givenUp!()).toBeUndefined()
  const { signal } = work
  expect(signal.aborted).toBe(false)
  const reason = new Error('gone')
  work.abort(reason)
  expect(signal.reason).toBe(reason)
  expect(work.givenUp!()).toBe(reason)
  const late = new RequestWork(undefined)
  late.abort(reason)
  expect(late.signal.reason).toBe(reason)
})

test('the work of a request is no dictionary: the getters of one are held from old memory, and with them the request', () => {
  setFlagsFromString('--allow-natives-syntax')
  const isFast = runInNewContext('(value) => %HasFastProperties(value)') as (value: object) => boolean
  const literal = () => ({
    log: {},
    get signal() {
      return undefined
    },
  })
  const literals = Array.from({ length: 3 }, literal)
  expect(isFast(literals[2]!)).toBe(false)
  for (const work of Array.from({ length: 3 }, () => new RequestWork(undefined))) expect(isFast(work)).toBe(true)
})
