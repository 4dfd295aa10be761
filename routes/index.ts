/** Every route of the service, by what it is about. */
import { evaluate } from './evaluate.ts'
import { jobs } from './jobs.ts'
import { models } from './models.ts'
import { operations } from './operations.ts'
import { report } from './report.ts'
import { score } from './score.ts'
import { train } from './train.ts'

export const routes = [train, score, evaluate, report, ...jobs, ...models, ...operations]
