/** Specifications are taken apart into what a kind of chart has in common and what is given. */
import { describe, expect, test } from 'vitest'
import { given, givenColours, outlineOf } from '../../src/reporting/charts/outline.ts'

describe('an outline', () => {
  test('has names in the place of data and of what is given, each value under one name', () => {
    const domain = given([0, 1])
    const { text, signals, tables } = outlineOf({
      height: given(40),
      layer: [
        { data: { values: [{ x: 1 }] }, x: { scale: { domain } } },
        { data: { values: [] }, x: { scale: { domain } }, align: given('left') },
      ],
    })
    expect(JSON.parse(text)).toEqual({
      height: 100,
      layer: [
        { data: { name: 'table0' }, x: { scale: { domain: { expr: 'given0' } } } },
        { data: { name: 'table1' }, x: { scale: { domain: { expr: 'given0' } } }, align: { expr: 'given1' } },
      ],
      params: [
        { name: 'given0', value: null },
        { name: 'given1', value: null },
      ],
    })
    expect([...signals]).toEqual([
      ['height', 40],
      ['given0', [0, 1]],
      ['given1', 'left'],
    ])
    expect([...tables]).toEqual([
      ['table0', [{ x: 1 }]],
      ['table1', []],
    ])
  })

  test('is the same text for whatever is given, and another for another form', () => {
    const chart = (x: number, colours: string[]) => ({
      mark: 'bar',
      width: 10,
      x: given(x),
      range: givenColours(colours, 3),
    })
    expect(outlineOf(chart(1, ['red'])).text).toBe(outlineOf(chart(2, ['red', 'blue', 'green'])).text)
    expect(outlineOf(chart(1, ['red'])).text).not.toBe(outlineOf({ ...chart(1, ['red']), width: 11 }).text)
  })

  test('of a specification where nothing is given has no parameters', () => {
    expect(outlineOf({ mark: 'bar', data: { values: [] } }).text).toBe('{"mark":"bar","data":{"name":"table0"}}')
  })
})
