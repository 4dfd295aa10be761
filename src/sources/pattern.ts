/**
 * Whether `name` is what `pattern` says: `*` stands for any characters, `?` for one. It takes at most the product of both lengths.
 */
export function matchesPattern(name: string, pattern: string): boolean {
  const text = [...name]
  const signs = [...pattern]
  let at = 0
  let sign = 0
  // The last star, and where the text behind what it stands for begins: it stands for one more when the rest does not fit.
  let star = -1
  let behind = 0
  while (at < text.length) {
    if (signs[sign] === '*') [star, behind] = [sign++, at]
    else if (signs[sign] === '?' || signs[sign] === text[at]) [sign, at] = [sign + 1, at + 1]
    else if (star !== -1) [sign, at] = [star + 1, ++behind]
    else return false
  }
  return signs.slice(sign).every((rest) => rest === '*')
}
