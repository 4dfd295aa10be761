/** What the routes that answer with a report share: its forms, and how it leaves. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Report } from '../reporting/index.ts'
import type { ReportFormat } from '../schemas/index.ts'
import { notAcceptable } from './negotiation.ts'
import type { Answer } from './operation.ts'

const mediaTypes: Readonly<Record<string, ReportFormat>> = {
  'text/html': 'html',
  'image/svg+xml': 'svg',
  'image/png': 'png',
}

/** The answer of a route with a report. The page comes first: it is what a client without a wish gets. */
export const reportAnswers: Answer = {
  description:
    'The report: one page that holds its pictures and its style, loads nothing and runs no script, or the chart alone.',
  headers: {
    'DeepWatch-Model': 'Model and version, such as `web@3`.',
    'DeepWatch-Threshold': 'The threshold of that version.',
    'Content-Security-Policy': 'Allows the style of the page and nothing else.',
  },
  content: {
    'text/html': { example: '<!doctype html>\n<html lang="en">…' },
    'image/svg+xml': { example: '<svg xmlns="http://www.w3.org/2000/svg">…' },
    'image/png': {},
  },
}

/** The form by the setting, else by `Accept`. Throws `not_acceptable` where neither names one. */
export function chooseFormat(request: FastifyRequest, setting: ReportFormat | undefined): ReportFormat {
  const format = setting ?? mediaTypes[request.form]
  if (format === undefined) throw notAcceptable(Object.keys(mediaTypes))
  return format
}

/** Draws the report and sends it whole. */
export async function sendReport(reply: FastifyReply, report: Report, format: ReportFormat): Promise<FastifyReply> {
  const { body, mediaType, contentPolicy } = await report.render(format)
  return reply
    .header('deepwatch-model', `${report.model}@${report.version}`)
    .header('deepwatch-threshold', String(report.threshold))
    .header('content-security-policy', contentPolicy)
    .header('x-content-type-options', 'nosniff')
    .header('referrer-policy', 'no-referrer')
    .type(mediaType)
    .send(Buffer.from(body.buffer, body.byteOffset, body.byteLength))
}
