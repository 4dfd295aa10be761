/** A name from outside, as a person may read it in a message: quoted, cut, without control characters. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name)
}
