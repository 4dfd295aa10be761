/*
 * The portable native twin of the scoring kernel: the same algorithm, layout and order of additions in C, built with
 * gcc -O3 -march=native. Trees are padded to perfect trees of one depth, eight rows walk a tree together,
 * rows go in tiles of 256 through all trees.
 *
 *   forest <forest file> <matrix file> <rows> <columns>
 *
 * The forest file (little-endian): int32 trees, int32 depth, float64 factor, then per tree 2^depth - 1 nodes of
 * {float64 threshold, int64 feature} and 2^depth float64 path lengths. Each line of input asks for one scoring of all rows.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TILE = 256, GROUP = 8 };
typedef struct { double threshold; int64_t feature; } Node;

static void *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) { perror(path); exit(1); }
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  void *bytes = aligned_alloc(64, (*size + 63) / 64 * 64);
  if (!bytes || fread(bytes, 1, *size, file) != *size) exit(1);
  fclose(file);
  return bytes;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void walk(const char *tree, int depth, const double *tile, double *sums) {
  const Node *nodes = (const Node *)tree;
  const size_t inner = ((size_t)1 << depth) - 1;
  const double *leaves = (const double *)(nodes + inner);
  for (int row = 0; row < TILE; row += GROUP) {
    size_t place[GROUP] = {0};
    for (int level = 0; level < depth; level++)
      for (int k = 0; k < GROUP; k++) {
        const Node *node = nodes + place[k];
        place[k] = 2 * place[k] + 1 + (tile[node->feature * TILE + row + k] > node->threshold);
      }
    for (int k = 0; k < GROUP; k++) sums[row + k] += leaves[place[k] - inner];
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  size_t size;
  const char *forest = read_file(argv[1], &size);
  const double *matrix = read_file(argv[2], &size);
  const size_t rows = strtoul(argv[3], 0, 10), columns = strtoul(argv[4], 0, 10);
  int32_t trees, depth;
  double factor;
  memcpy(&trees, forest, 4);
  memcpy(&depth, forest + 4, 4);
  memcpy(&factor, forest + 8, 8);
  const size_t tree_bytes = sizeof(Node) * (((size_t)1 << depth) - 1) + 8 * ((size_t)1 << depth);
  double *scores = malloc(rows * 8), *tile = aligned_alloc(64, columns * TILE * 8), sums[TILE];
  for (char line[256]; fgets(line, sizeof line, stdin);) {
    const double start = now();
    for (size_t from = 0; from < rows; from += TILE) {
      const size_t count = rows - from < TILE ? rows - from : TILE;
      for (size_t f = 0; f < columns; f++) memcpy(tile + f * TILE, matrix + f * rows + from, count * 8);
      memset(sums, 0, sizeof sums);
      for (int t = 0; t < trees; t++) walk(forest + 16 + t * tree_bytes, depth, tile, sums);
      for (size_t i = 0; i < count; i++) scores[from + i] = exp2(sums[i] * factor);
    }
    const double seconds = now() - start;
    double sum = 0;
    for (size_t i = 0; i < rows; i++) sum += scores[i];
    printf("{\"seconds\": %.6f, \"mean\": %.15g}\n", seconds, sum / rows);
    fflush(stdout);
  }
}
