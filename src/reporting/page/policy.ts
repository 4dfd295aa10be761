/** What a report may do in a browser: nothing but to be shown. */
import { createHash } from 'node:crypto'
import { pageStyle } from './style.ts'

const styleHash = createHash('sha256').update(pageStyle).digest('base64')

/** For the page's own head; frames cannot be refused from there. */
export const pagePolicy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'`
