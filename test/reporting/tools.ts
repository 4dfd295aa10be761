/** Looks at reports as programs do: pages by their tags, pictures as XML and as pixels. */
import { expect } from 'vitest'

/** Tags of a text, after checking that it is well-formed: every element closed in order, no character that XML forbids. */
export function parseXml(text: string): { name: string; attributes: Map<string, string> }[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
  expect(text).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/)
  const open: string[] = []
  const tags: { name: string; attributes: Map<string, string> }[] = []
  let end = 0
  for (const match of text.matchAll(/<(\/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g)) {
    expectText(text.slice(end, match.index))
    end = match.index + match[0].length
    const [, closing, name = '', attributes = '', empty] = match
    if (closing) expect(open.pop()).toBe(name)
    else {
      const pairs = [...attributes.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!] as const)
      expect(new Set(pairs.map(([key]) => key)).size).toBe(pairs.length)
      for (const [, value] of pairs) expectText(value)
      tags.push({ name, attributes: new Map(pairs) })
      if (!empty) open.push(name)
    }
  }
  expectText(text.slice(end))
  expect(open).toEqual([])
  return tags
}

/** Text has no tag in it, and every & begins a reference. */
function expectText(text: string): void {
  expect(text).not.toMatch(/</)
  expect(text.replaceAll(/&(?:amp|lt|gt|quot|apos|#\d+|#x[\da-f]+);/gi, '')).not.toContain('&')
}

/** Checks a page as a browser would see it: nothing runs, nothing is fetched, the style is the one that is allowed. */
export function inspectPage(html: string): { name: string; attributes: Map<string, string> }[] {
  expect(html.startsWith('<!doctype html>\n<html lang="en">')).toBe(true)
  const voids = /<(meta)\b([^>]*)>/g
  const body = html
    .slice('<!doctype html>\n'.length)
    .replace(/<style>[^<]*<\/style>/, '')
    .replaceAll(voids, '<$1$2/>')
  const tags = parseXml(body)
  const allowed =
    'html head meta title body header main footer section p h1 h2 h3 dl dt dd div span bdi figure table thead tbody tr th td ul li svg g path text tspan line desc rect defs clipPath'
  for (const { name, attributes } of tags) {
    expect(allowed.split(' '), name).toContain(name)
    for (const [key, value] of attributes) {
      expect(key, `${name} ${key}`).not.toMatch(/^on|^(href|src|xlink:href|style|srcset|action|formaction)$/i)
      if (key.startsWith('xmlns') || key === 'title' || key === 'aria-label') continue
      // A picture may refer to its own parts.
      expect(value.replace(/^url\(#[\w-]+\)$/, ''), `${name} ${key}`).not.toMatch(/url\(|javascript:|https?:/i)
    }
  }
  return tags
}
