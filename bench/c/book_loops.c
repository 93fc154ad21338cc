/* Two other books, as one would write them in C: the sorted array with the best level at its end,
 * and the balanced tree that most engines use. They do the work of the compiled book: a change,
 * then the best bid and ask. Both loops take their own time and return nanoseconds. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HASH_START 14695981039346656037ull
#define ROW_NUMBERS 4                   /* book, price, lots, side: 1 buys, -1 sells */
#define MAX_LEVELS 65536
#define NIL 0                           /* no node */

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static inline uint64_t mix(uint64_t hash, int64_t value)
{
    return (hash ^ (uint64_t)value) * 1099511628211ull;
}

/* Keys are side * price: the best level of either side has the highest one. */

typedef struct {
    int64_t count;
    int64_t keys[MAX_LEVELS];
    int64_t lots[MAX_LEVELS];
} Array;

static void array_set(Array *array, int64_t key, int64_t lots)
{
    int64_t at = array->count;
    int64_t behind;
    int64_t low = 0;
    if (at > 0 && array->keys[at - 1] >= key)   /* bisected: real changes are deep */
        for (int64_t high = at; low < high;) {
            int64_t middle = (low + high) >> 1;
            if (array->keys[middle] < key)
                low = middle + 1;
            else
                high = middle;
            at = low;
        }
    behind = array->count - at;
    if (behind > 0 && array->keys[at] == key) {
        if (lots != 0) {
            array->lots[at] = lots;
            return;
        }
        memmove(&array->keys[at], &array->keys[at + 1], (size_t)(behind - 1) * sizeof(int64_t));
        memmove(&array->lots[at], &array->lots[at + 1], (size_t)(behind - 1) * sizeof(int64_t));
        array->count--;
    } else if (lots != 0) {
        if (array->count == MAX_LEVELS)
            abort();
        memmove(&array->keys[at + 1], &array->keys[at], (size_t)behind * sizeof(int64_t));
        memmove(&array->lots[at + 1], &array->lots[at], (size_t)behind * sizeof(int64_t));
        array->keys[at] = key;
        array->lots[at] = lots;
        array->count++;
    }
}

static inline int64_t array_best(const Array *array)
{
    return array->count ? array->keys[array->count - 1] : 0;
}

/* A treap: a search tree by key and a heap by a hash of the key, so that it is balanced like one
 * of random insertions, whatever comes (C. Aragon and R. Seidel, 1989). Nodes come from a pool;
 * the best level is remembered. */

typedef struct {
    int64_t key;
    int64_t lots;
    uint32_t priority;
    int32_t left;
    int32_t right;
} Node;

typedef struct {
    int32_t root;
    int32_t free;                       /* list of unused nodes, by left */
    int32_t used;
    int64_t best;
    Node nodes[MAX_LEVELS + 1];
} Tree;

static uint32_t priority_of(int64_t key)
{
    return (uint32_t)(((uint64_t)key * 0x9E3779B97F4A7C15ull) >> 32);
}

static int32_t tree_join(Tree *tree, int32_t low, int32_t high)
{
    int32_t root = NIL;
    int32_t *place = &root;
    while (low != NIL && high != NIL) {
        if (tree->nodes[low].priority > tree->nodes[high].priority) {
            *place = low;
            place = &tree->nodes[low].right;
            low = *place;
        } else {
            *place = high;
            place = &tree->nodes[high].left;
            high = *place;
        }
    }
    *place = low != NIL ? low : high;
    return root;
}

static void tree_insert(Tree *tree, int32_t *place, int64_t key, int64_t lots)
{
    int32_t fresh = tree->free;
    int32_t rest = *place;
    int32_t *low;
    int32_t *high;
    if (fresh != NIL)
        tree->free = tree->nodes[fresh].left;
    else if (tree->used < MAX_LEVELS)
        fresh = ++tree->used;
    else
        abort();
    *place = fresh;
    tree->nodes[fresh].key = key;
    tree->nodes[fresh].lots = lots;
    tree->nodes[fresh].priority = priority_of(key);
    low = &tree->nodes[fresh].left;
    high = &tree->nodes[fresh].right;
    while (rest != NIL) {               /* what stood here is split by the key */
        if (tree->nodes[rest].key < key) {
            *low = rest;
            low = &tree->nodes[rest].right;
            rest = *low;
        } else {
            *high = rest;
            high = &tree->nodes[rest].left;
            rest = *high;
        }
    }
    *low = *high = NIL;
}

static void tree_set(Tree *tree, int64_t key, int64_t lots)
{
    int32_t *place = &tree->root;
    int32_t at;
    uint32_t priority = priority_of(key);
    while (*place != NIL && tree->nodes[*place].key != key
           && tree->nodes[*place].priority >= priority)
        place = tree->nodes[*place].key < key ? &tree->nodes[*place].right
                                              : &tree->nodes[*place].left;
    if (*place == NIL || tree->nodes[*place].key != key) {
        if (lots == 0)
            return;
        tree_insert(tree, place, key, lots);
        if (key > tree->best || tree->used == 1)
            tree->best = key;
        return;
    }
    at = *place;
    if (lots != 0) {
        tree->nodes[at].lots = lots;
        return;
    }
    *place = tree_join(tree, tree->nodes[at].left, tree->nodes[at].right);
    tree->nodes[at].left = tree->free;
    tree->free = at;
    if (key == tree->best) {
        for (at = tree->root; at != NIL && tree->nodes[at].right != NIL;)
            at = tree->nodes[at].right;
        tree->best = at != NIL ? tree->nodes[at].key : INT64_MIN;
    }
}

static inline int64_t tree_best(const Tree *tree)
{
    return tree->root != NIL ? tree->best : 0;
}

/* Rows of a negative book (~book) load it and are not timed; they come first. Returns the time of
 * the others, -1 without memory; the hash is the one of the compiled loop over the same rows. */
#define DEFINE_LOOP(NAME, BOOK, SET, BEST)                                                        \
    int64_t NAME(const int64_t *rows, int64_t count, int64_t books, uint64_t *hash)               \
    {                                                                                             \
        BOOK *sides = calloc((size_t)(2 * books), sizeof(BOOK));                                  \
        uint64_t result = HASH_START;                                                             \
        int64_t started;                                                                          \
        int64_t index = 0;                                                                        \
        if (sides == NULL)                                                                        \
            return -1;                                                                            \
        for (; index < count && rows[index * ROW_NUMBERS] < 0; index++) {                         \
            const int64_t *row = rows + index * ROW_NUMBERS;                                      \
            SET(&sides[2 * ~row[0] + (row[3] < 0)], row[3] * row[1], row[2]);                     \
        }                                                                                         \
        started = now_ns();                                                                       \
        for (; index < count; index++) {                                                          \
            const int64_t *row = rows + index * ROW_NUMBERS;                                      \
            BOOK *pair = &sides[2 * row[0]];                                                      \
            SET(&pair[row[3] < 0], row[3] * row[1], row[2]);                                      \
            result = mix(result, BEST(&pair[0]));                                                 \
            result = mix(result, -BEST(&pair[1]));                                                \
        }                                                                                         \
        started = now_ns() - started;                                                             \
        free(sides);                                                                              \
        *hash = result;                                                                           \
        return started;                                                                           \
    }

DEFINE_LOOP(time_arrays, Array, array_set, array_best)
DEFINE_LOOP(time_trees, Tree, tree_set, tree_best)
