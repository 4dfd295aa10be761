import type { Sample } from './format.ts'

/** What people send that is no telemetry as we read it: what it begins with, and what to do about it. */
const marks: readonly (readonly [mark: string, at: number, advice: string])[] = [
  ['ARROW1', 0, 'This is the Arrow file format; send an Arrow IPC stream.'],
  ['FEA1', 0, 'This is a Feather file of version 1; write it as Parquet.'],
  ['PK\x03\x04', 0, 'This is a ZIP archive; unpack it and send the file in it (of a workbook, a sheet saved as CSV).'],
  ['PK\x05\x06', 0, 'This is an empty ZIP archive.'],
  ['ustar', 257, 'This is a tar archive; unpack it and send the files in it.'],
  ['BZh', 0, 'This is packed with bzip2; unpack it with bunzip2, or pack it with gzip or zstd.'],
  ['\xfd7zXZ\0', 0, 'This is packed with xz; unpack it with unxz, or pack it with gzip or zstd.'],
  ['\x04"M\x18', 0, 'This is packed with LZ4; unpack it with unlz4, or pack it with gzip or zstd.'],
  ['\xff\x06\0\0sNaPpY', 0, 'This is packed with Snappy; unpack it, or pack it with gzip or zstd.'],
  ["7z\xbc\xaf'\x1c", 0, 'This is a 7z archive; unpack it and send the file in it.'],
  ['Rar!\x1a\x07', 0, 'This is a RAR archive; unpack it and send the file in it.'],
  ['\xd0\xcf\x11\xe0', 0, 'This is a workbook of an old Office; save the sheet as CSV.'],
  ['ORC', 0, 'This is an ORC file; write it as Parquet.'],
  ['Obj\x01', 0, 'This is an Avro file; write it as Parquet.'],
  ['\x89HDF', 0, 'This is an HDF5 file; write it as Parquet.'],
  ['\x93NUMPY', 0, 'This is a NumPy file; write it as Parquet or CSV.'],
  ['SQLite format 3', 0, 'This is an SQLite database; export the table as CSV.'],
]

/** What a file is that no format matches, and what to do: one or two sentences. Null for what we have no name for. */
export function nameStranger({ head }: Sample): string | null {
  const known = marks.find(([mark, at]) => latin1(head.subarray(at, at + mark.length)) === mark)
  if (known !== undefined) return known[2]
  const start = latin1(head.subarray(0, 1024)).trimStart()
  if (start.startsWith('[')) return "This is a JSON array; send one object a line (jq -c '.[]')."
  if (start.startsWith('<')) return 'This is HTML or XML, perhaps the page of an error; send the telemetry itself.'
  return nameEncoding(head)
}

/** Text in another encoding than UTF-8, with the command that mends it. */
function nameEncoding(head: Uint8Array): string | null {
  if (head.some(isControl)) return null
  const encoding = zerosOf(head)
  if (encoding !== null)
    return `This looks like text in UTF-16 without a byte order mark; convert it: iconv -f ${encoding} -t utf-8.`
  const strange = head.findIndex((byte) => byte >= 0x80)
  if (strange === -1 || head.includes(0)) return null
  const line = head.subarray(0, strange).filter((byte) => byte === 0x0a).length + 1
  return `This is text but not UTF-8 (line ${line}); if it is Latin-1, convert it: iconv -f windows-1252 -t utf-8.`
}

/** The UTF-16 that has its zeros where these bytes have theirs, as text in Latin letters does. */
function zerosOf(head: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  const zeros = [0, 0] as [number, number]
  head.forEach((byte, at) => {
    if (byte === 0) zeros[(at % 2) as 0 | 1]++
  })
  const [even, odd] = zeros
  if (head.length < 8 || Math.max(even, odd) < head.length / 4) return null
  if (even < odd / 8) return 'utf-16le'
  return odd < even / 8 ? 'utf-16be' : null
}

const isControl = (byte: number) =>
  (byte > 0 && byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) || byte === 0x7f

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes)
