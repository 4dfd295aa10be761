/** Our forest for the rivals: as JSON for ONNX, as padded trees for the C twin. */
import { writeFileSync } from 'node:fs'
import type { TreeNode } from '../../src/detectors/detector.ts'
import { findDetector } from '../../src/detectors/list.ts'
import { averagePathLength, scoreFactor } from '../../src/kernels/path-length.ts'
import type { ScoringModel } from '../../src/pool/types.ts'

/** The trees of a model, each in preorder. */
export function treesOf(model: ScoringModel): (readonly TreeNode[])[] {
  const detector = findDetector(model.detector)
  const payload = new Uint8Array(model.payload)
  const { trees } = detector.describe(payload)
  return Array.from({ length: Number(trees) }, (_, index) => detector.tree(payload, index))
}

/** `{trees: [[node…]…], averagePathLength}`. */
export function writeForestJson(path: string, trees: readonly (readonly TreeNode[])[], sampleSize: number): void {
  writeFileSync(path, JSON.stringify({ trees, averagePathLength: averagePathLength(sampleSize) }))
}

/** The file that `bench/rivals/forest.c` reads. */
export function writePaddedForest(path: string, trees: readonly (readonly TreeNode[])[], sampleSize: number): void {
  const depth = Math.max(1, ...trees.flatMap((tree) => tree.map((node) => node.depth)))
  const inner = 2 ** depth - 1
  const treeBytes = 16 * inner + 8 * (inner + 1)
  const bytes = Buffer.alloc(16 + trees.length * treeBytes)
  bytes.writeInt32LE(trees.length, 0)
  bytes.writeInt32LE(depth, 4)
  // Base 2 there, base e here.
  bytes.writeDoubleLE(-scoreFactor(trees.length, sampleSize) / Math.LN2, 8)
  for (const [index, tree] of trees.entries()) {
    const start = 16 + index * treeBytes
    const leaves = start + 16 * inner
    const lay = (node: TreeNode, place: number): void => {
      if ('cut' in node) throw new Error('the twin knows plain splits only')
      if ('left' in node) {
        bytes.writeDoubleLE(node.threshold, start + 16 * place)
        bytes.writeBigInt64LE(BigInt(node.feature), start + 16 * place + 8)
        lay(tree[node.left]!, 2 * place + 1)
        lay(tree[node.right]!, 2 * place + 2)
        return
      }
      let at = place
      for (; at < inner; at = 2 * at + 1) bytes.writeDoubleLE(Number.POSITIVE_INFINITY, start + 16 * at)
      bytes.writeDoubleLE(node.pathLength, leaves + 8 * (at - inner))
    }
    lay(tree[0]!, 0)
  }
  writeFileSync(path, bytes)
}
