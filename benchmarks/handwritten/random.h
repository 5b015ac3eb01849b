// Draws for the construction of a network: splitmix64 (Steele, Lea and Flood, 2014).
#pragma once
#include <math.h>
#include <stdint.h>

static uint64_t random_state = SEED;

static inline uint64_t random_bits(void) {
  uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// In [0, 1).
static inline double random_uniform(void) { return (double)(random_bits() >> 11) * 0x1p-53; }

// How many pairs that are not connected come before the next one that is.
static inline uint64_t random_gap(double p) { return (uint64_t)(log(1 - random_uniform()) / log(1 - p)); }

// In 0 ... n - 1, for n < 2^32.
static inline uint32_t random_below(uint32_t n) { return (uint32_t)(((random_bits() >> 32) * n) >> 32); }
