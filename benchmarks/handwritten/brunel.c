// The network of Brunel (2000) by hand, for AVX-512, one thread: how fast a loop for this one network can be.
//
// Numbers come from the command line of the compiler: EXC and INH cells (a tenth of each are connected to a cell),
// STEPS, SEED, and with POISSON its mean number of events a step; without it the drive is constant.
//
// All synapses of a population weigh the same, so what arrives at a cell are two counts.  The targets of a source
// are a row of bits: with a tenth of them set, that is less memory than their numbers, and a mask adds to 64
// counters at once.  A step goes over chunks of as many cells as a cache line of a row has bits: first it counts, in
// registers, what the rows of all arriving spikes have there, then it updates the cells.
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "measure.h"
#include "random.h"

enum { CELLS = EXC + INH, CHUNK = 512, PADDED = (CELLS + CHUNK - 1) / CHUNK * CHUNK, HELD = 20, DELAY = 15 };

static const float threshold = 20.0f, reset = 10.0f, w_exc = 0.1f, w_inh = -0.5f;  // mV, from a rest of 0 mV
static const double tau = 20, dt = 0.1;

typedef uint64_t Row[PADDED / 64] __attribute__((aligned(64)));

static float V[PADDED] __attribute__((aligned(64)));
static uint8_t held[PADDED] __attribute__((aligned(64)));
static Row *rows;
static uint32_t *record, *spikes_of[DELAY + STEPS + 1];  // where the spikes of a step begin, DELAY steps later

static void connect(uint32_t first, uint32_t sources) {
  static uint32_t drawn[CELLS];
  for (uint32_t i = 0; i < sources; i++) drawn[i] = first + i;
  for (uint32_t target = 0; target < CELLS; target++)
    for (uint32_t i = 0; i < sources / 10; i++) {
      uint32_t other = i + random_below(sources - i), source = drawn[other];
      drawn[other] = drawn[i];
      drawn[i] = source;
      rows[source][target / 64] |= 1ull << target % 64;
    }
}

static void build(void) {
  rows = aligned_alloc(1 << 21, CELLS * sizeof *rows);
  madvise(rows, CELLS * sizeof *rows, MADV_HUGEPAGE);
  memset(rows, 0, CELLS * sizeof *rows);
  record = malloc(((size_t)STEPS * CELLS / HELD + 2 * CELLS) * sizeof *record);
  for (int step = 0; step <= DELAY; step++) spikes_of[step] = record;
  connect(0, EXC);
  connect(EXC, INH);
  for (int cell = 0; cell < CELLS; cell++) V[cell] = (float)(threshold * random_uniform());
  // What only fills the last chunk must never spike.
  for (int cell = CELLS; cell < PADDED; cell++) V[cell] = -INFINITY;
}

#ifdef POISSON
// Numbers of events by inverse transform: `largest[n]` is the largest draw of 32 bits for at most n events, and
// `least` has for the 7 upper bits of a draw how many events there are at least.
static __m512i largest[2], least[2];

static void tabulate(void) {
  uint32_t last[32];
  uint8_t guide[128];
  double p = exp(-POISSON), sum = p;
  for (int n = 0; n < 32; sum += p *= POISSON / ++n) last[n] = sum < 1 ? (uint32_t)(sum * 0x1p32) : UINT32_MAX;
  last[31] = UINT32_MAX;
  uint8_t n = 0;
  for (uint32_t cell = 0; cell < 128; guide[cell++] = n)
    while (cell << 25 > last[n]) n++;
  memcpy(largest, last, sizeof last);
  memcpy(least, guide, sizeof guide);
}

static __mmask16 above(__m512i draw, __m512i n) {
  return _mm512_cmpgt_epu32_mask(draw, _mm512_permutex2var_epi32(largest[0], n, largest[1]));
}

// Replaces 64 draws by numbers of events: nearly always at most one more than their upper bits tell.
static void events(__m512i draws[4]) {
  const __m512i one = _mm512_set1_epi32(1);
  __m512i n[4];
  __mmask16 more[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    __m512i upper = _mm512_srli_epi32(draws[i], 25);
    n[i] = _mm512_maskz_permutex2var_epi8(0x1111111111111111, least[0], upper, least[1]);
    n[i] = _mm512_mask_add_epi32(n[i], above(draws[i], n[i]), n[i], one);
    more[i] = above(draws[i], n[i]);
  }
  while (__builtin_expect(more[0] | more[1] | more[2] | more[3], 0))
    for (int i = 0; i < 4; i++) {
      n[i] = _mm512_mask_add_epi32(n[i], more[i], n[i], one);
      more[i] = above(draws[i], n[i]);
    }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) draws[i] = n[i];
}

// Philox 4x32-10 (Salmon et al., 2011) for 8 counters, each in a lane of 64 bits of which the upper ones do not matter.
// The last round leaves its products and keys to the caller, which takes one draw of each counter or four.
static void philox(__m512i x0, uint32_t step, __m512i *p0, __m512i *p1, __m512i *y0, __m512i *y2) {
  const __m512i m0 = _mm512_set1_epi64(0xd2511f53), m1 = _mm512_set1_epi64(0xcd9e8d57);
  __m512i x1 = _mm512_set1_epi64(step), x2 = _mm512_setzero_si512(), x3 = x2;
  uint32_t k0 = SEED, k1 = 0;
#pragma GCC unroll 10
  for (int round = 0; round < 10; round++, k0 += 0x9e3779b9, k1 += 0xbb67ae85) {
    *p0 = _mm512_mul_epu32(x0, m0), *p1 = _mm512_mul_epu32(x2, m1);
    *y0 = _mm512_xor_si512(x1, _mm512_set1_epi64(k0)), *y2 = _mm512_xor_si512(x3, _mm512_set1_epi64(k1));
    x0 = _mm512_xor_si512(_mm512_srli_epi64(*p1, 32), *y0), x1 = *p1;
    x2 = _mm512_xor_si512(_mm512_srli_epi64(*p0, 32), *y2), x3 = *p0;
  }
}

// 64 draws for the cells from `block` on.
static void draw(uint32_t block, uint32_t step, __m512i draws[4]) {
  const __m512i eight = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
  __m512i p0, p1, y0, y2;
#ifdef SHARED_COUNTERS
  // Four cells share a counter.
#pragma GCC unroll 2
  for (int i = 0; i < 4; i += 2) {
    philox(_mm512_add_epi64(_mm512_set1_epi64(block / 4 + 4 * i), eight), step, &p0, &p1, &y0, &y2);
    draws[i] = _mm512_xor_si512(p1, _mm512_slli_epi64(y0, 32));
    draws[i + 1] = _mm512_xor_si512(p0, _mm512_slli_epi64(y2, 32));
  }
#else
  // A cell has a counter of its own, so that what it draws does not depend on how many others there are.
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    __m512i even = _mm512_add_epi64(_mm512_set1_epi64(block + 16 * i), _mm512_slli_epi64(eight, 1));
    philox(even, step, &p0, &p1, &y0, &y2);
    __m512i first = _mm512_xor_si512(_mm512_srli_epi64(p1, 32), y0);
    philox(_mm512_add_epi64(even, _mm512_set1_epi64(1)), step, &p0, &p1, &y0, &y2);
    draws[i] = _mm512_mask_blend_epi32(0xaaaa, first, _mm512_xor_si512(p1, _mm512_slli_epi64(y0, 32)));
  }
#endif
}
#endif

// How many of the spikes between `spike` and `end` arrive at each cell of a chunk.
static void count(const uint32_t *spike, const uint32_t *end, uint32_t chunk, __m512i counts[8]) {
  const __m512i one = _mm512_set1_epi8(1);
  __m512i n[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) n[i] = _mm512_setzero_si512();
  for (; spike < end; spike++) {
    const uint64_t *line = rows[*spike] + chunk / 64;
    _mm_prefetch(line + 8, _MM_HINT_T0);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) n[i] = _mm512_mask_adds_epu8(n[i], line[i], n[i], one);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) counts[i] = n[i];
}

static __m512 real(const uint8_t *counts) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)counts)));
}

// One step of 64 cells with the counts of what arrives; spikes are appended at `spikes`, whose new end is the result.
static uint32_t *update(uint32_t step, uint32_t block, const uint8_t *exc, const uint8_t *inh, uint32_t *spikes) {
  const float decay = (float)exp(-dt / tau);
  const __m512i sixteen = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512i counters = _mm512_load_si512(held + block);
  __mmask64 active = _mm512_testn_epi8_mask(counters, counters);
  _mm512_store_si512(held + block, _mm512_subs_epu8(counters, _mm512_set1_epi8(1)));
#ifdef POISSON
  __m512i draws[4];
  draw(block, step, draws);
  events(draws);
#else
  (void)step;
  const __m512 drive = _mm512_set1_ps((float)((1 - exp(-dt / tau)) * 40));
#endif
  __mmask16 spiked[4];
#pragma GCC unroll 4
  for (int part = 0; part < 4; part++) {
    float *v = V + block + 16 * part;
    __m512 input = _mm512_mul_ps(real(exc + 16 * part), _mm512_set1_ps(w_exc));
    input = _mm512_fmadd_ps(real(inh + 16 * part), _mm512_set1_ps(w_inh), input);
#ifdef POISSON
    input = _mm512_fmadd_ps(_mm512_cvtepi32_ps(draws[part]), _mm512_set1_ps(w_exc), input);
#else
    input = _mm512_add_ps(input, drive);
#endif
    __m512 new = _mm512_mask_fmadd_ps(_mm512_load_ps(v), (__mmask16)(active >> 16 * part), _mm512_set1_ps(decay), input);
    _mm512_store_ps(v, new);
    spiked[part] = _mm512_cmp_ps_mask(new, _mm512_set1_ps(threshold), _CMP_GE_OQ);
  }
  if ((spiked[0] | spiked[1] | spiked[2] | spiked[3]) == 0) return spikes;
  for (int part = 0; part < 4; part++) {
    uint32_t first = block + 16 * part;
    _mm512_mask_store_ps(V + first, spiked[part], _mm512_set1_ps(reset));
    _mm_mask_storeu_epi8(held + first, spiked[part], _mm_set1_epi8(HELD));
    // Some processors are slow where a compressed register goes to memory directly.
    __m512i cells = _mm512_add_epi32(sixteen, _mm512_set1_epi32((int)first));
    _mm512_storeu_si512(spikes, _mm512_maskz_compress_epi32(spiked[part], cells));
    spikes += _mm_popcnt_u32(spiked[part]);
  }
  return spikes;
}

static uint32_t *advance(uint32_t step, uint32_t *spikes) {
  const uint32_t *first = spikes_of[step], *end = spikes_of[step + 1], *inhibitory = first;
  while (inhibitory < end && *inhibitory < EXC) inhibitory++;
  // Each chunk fetches the lines of the next one ahead, and each step the first lines of the next step.
  for (const uint32_t *spike = end; spike < spikes_of[step + 2]; spike++) _mm_prefetch(rows[*spike], _MM_HINT_T1);
  for (uint32_t chunk = 0; chunk < PADDED; chunk += CHUNK) {
    __m512i exc[CHUNK / 64], inh[CHUNK / 64];
    count(first, inhibitory, chunk, exc);
    count(inhibitory, end, chunk, inh);
    for (uint32_t block = 0; block < CHUNK; block += 64)
      spikes = update(step, chunk + block, (const uint8_t *)exc + block, (const uint8_t *)inh + block, spikes);
  }
  return spikes;
}

int main(void) {
  build();
#ifdef POISSON
  tabulate();
#endif
  Times begin = times_now();
  for (uint32_t step = 0; step < STEPS; step++)
    spikes_of[step + DELAY + 1] = advance(step, spikes_of[step + DELAY]);
  print_result(begin, record, spikes_of[STEPS + DELAY]);
}
