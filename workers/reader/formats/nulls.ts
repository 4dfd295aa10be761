import { isOneOf, quoteText, type Relation, type RelationColumn } from '../database/index.ts'

/** The same relation, in which the numbers among these words are missing values. Formats of text look for the words themselves. */
export function withNulls(relation: Relation, nullValues: readonly string[] = []): Relation {
  const numbers = nullValues.filter((word) => Number.isFinite(Number(word)))
  if (numbers.length === 0) return relation
  const list = numbers.map((number) => `${quoteText(number)}::double`)
  const columns = relation.columns.map((column): RelationColumn => {
    const { kind, expression } = column
    if (kind !== 'number') return column
    return {
      ...column,
      expression: `case when ${isOneOf(`${expression}::double`, list)} then null else ${expression} end`,
    }
  })
  return { ...relation, columns }
}
