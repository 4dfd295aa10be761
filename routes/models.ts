/** `/models`: look at what was trained, choose what serves, delete. */
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { ErrorCode } from '../src/errors.ts'
import {
  answerInJson,
  chooseFormat,
  readQuery,
  reportAnswers,
  route,
  sendReport,
  takeSettings,
} from '../src/http/index.ts'
import {
  exampleModel,
  exampleTree,
  exampleVersion,
  modelList,
  modelSummary,
  reportFormat,
  tree,
  versionDocument,
} from '../src/schemas/index.ts'

const page = z.strictObject({
  after: z.string().max(63).optional().describe('Name after which the page begins.'),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,3}$/, 'must be a whole number from 1 to 9999')
    .transform(Number)
    .optional()
    .describe('Models per page, by default 1000.'),
})
const serving = z.strictObject({ version: z.int().min(1).describe('The version that scores when none is named.') })
const shownVersion = versionDocument.extend({ serving: z.boolean() }).meta({ id: 'ShownModelVersion' })

const treeQuery = z.strictObject({
  entity: z
    .string()
    .max(1024)
    .optional()
    .describe('Of a version with a model per entity: whose model the tree is of; the shared one by default.'),
})
const reportQuery = z.strictObject({ format: reportFormat })

const notThere: readonly ErrorCode[] = ['invalid_id', 'uri_too_long', 'model_not_found']
const noVersion: readonly ErrorCode[] = [...notThere, 'version_not_found', 'model_corrupt', 'model_version_unsupported']

const modelsOf = ({ server }: Pick<FastifyRequest, 'server'>) => server.deepwatch.service().models

export const models = [
  route({
    method: 'GET',
    url: '/models',
    scope: 'read',
    operation: {
      id: 'listModels',
      summary: 'Every model',
      tag: 'models',
      query: page,
      answers: { 200: answerInJson('Models by name.', modelList, { models: [exampleModel], next: null }) },
      errors: ['duplicate_key'],
    },
    handler: async (request) => modelsOf(request).list(readQuery(page, request)),
  }),
  route<'name'>({
    method: 'GET',
    url: '/models/:name',
    scope: 'read',
    operation: {
      id: 'getModel',
      summary: 'One model',
      tag: 'models',
      answers: { 200: answerInJson('Its versions, and which one serves.', modelSummary, exampleModel) },
      errors: notThere,
    },
    handler: async (request) => modelsOf(request).model(request.params.name),
  }),
  route<'name' | 'version'>({
    method: 'GET',
    url: '/models/:name/versions/:version',
    scope: 'read',
    operation: {
      id: 'getVersion',
      summary: 'One version, whole',
      description:
        'Features with their training profile, detector settings as asked for and as used, shape, threshold, training facts, warnings.',
      tag: 'models',
      answers: { 200: answerInJson('The version document.', shownVersion, { ...exampleVersion, serving: true }) },
      errors: noVersion,
    },
    handler: async (request) => modelsOf(request).version(request.params.name, request.params.version),
  }),
  route<'name' | 'version' | 'index'>({
    method: 'GET',
    url: '/models/:name/versions/:version/trees/:index',
    scope: 'read',
    operation: {
      id: 'getTree',
      summary: 'One tree, node by node',
      description: 'In feature names and in the units of the data.',
      tag: 'models',
      query: treeQuery,
      answers: { 200: answerInJson('The nodes in preorder.', tree, exampleTree) },
      errors: [...noVersion, 'entity_not_found', 'tree_not_found'],
    },
    async handler(request) {
      const { entity } = readQuery(treeQuery, request)
      const { name, version, index } = request.params
      return modelsOf(request).tree(name, version, index, entity)
    },
  }),
  route<'name' | 'version'>({
    method: 'GET',
    url: '/models/:name/versions/:version/report',
    scope: 'read',
    takesWork: true,
    formIsASetting: true,
    operation: {
      id: 'reportVersion',
      summary: 'The report of a version',
      description:
        'What its training saw. Of a version that keeps no counts of its training the report shows what the version document knows, and says what is missing.',
      tag: 'models',
      query: reportQuery,
      answers: { 200: reportAnswers },
      errors: [...noVersion, 'overloaded', 'shutting_down'],
    },
    async handler(request, reply) {
      const format = chooseFormat(request, readQuery(reportQuery, request).format)
      const { name, version } = request.params
      const { reporting } = request.server.deepwatch.service()
      return sendReport(reply, await reporting.ofVersion(name, version, request.work), format)
    },
  }),
  route<'name'>({
    method: 'PUT',
    url: '/models/:name/serving',
    scope: 'admin',
    operation: {
      id: 'chooseServing',
      summary: 'Choose the version that serves',
      description: 'Also the way back: choose an older version. The next version trained to serve takes over again.',
      tag: 'models',
      query: serving,
      body: { 'application/json': { schema: serving, example: { version: 1 } } },
      answers: { 200: answerInJson('The model with its new choice.', modelSummary, exampleModel) },
      errors: [
        ...noVersion,
        'malformed_json',
        'duplicate_key',
        'conflicting_parameter',
        'unsupported_media_type',
        'body_too_large',
        'storage_error',
        'storage_full',
      ],
    },
    async handler(request, reply) {
      const models = modelsOf(request)
      const { version } = await takeSettings(serving, request, reply)
      return models.serve(request.params.name, version)
    },
  }),
  route<'name'>({
    method: 'DELETE',
    url: '/models/:name',
    scope: 'admin',
    operation: {
      id: 'deleteModel',
      summary: 'Delete a model',
      description: 'With every version, from memory and disk. What is being scored with it is finished.',
      tag: 'models',
      answers: { 204: { description: 'It is gone.' } },
      errors: [...notThere, 'storage_error'],
    },
    async handler(request, reply) {
      await modelsOf(request).removeModel(request.params.name)
      return reply.code(204).send()
    },
  }),
  route<'name' | 'version'>({
    method: 'DELETE',
    url: '/models/:name/versions/:version',
    scope: 'admin',
    operation: {
      id: 'deleteVersion',
      summary: 'Delete a version',
      description: 'When it served, the newest one left serves. The last one takes the model with it.',
      tag: 'models',
      answers: { 204: { description: 'It is gone.' } },
      errors: [...notThere, 'version_not_found', 'storage_error'],
    },
    async handler(request, reply) {
      await modelsOf(request).removeVersion(request.params.name, request.params.version)
      return reply.code(204).send()
    },
  }),
]
