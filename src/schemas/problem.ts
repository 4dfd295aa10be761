/** What an error looks like from outside. */
import { z } from 'zod'

/** A problem document (RFC 9457). */
export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    requestId: z.string(),
  })
  .meta({ id: 'Problem' })
