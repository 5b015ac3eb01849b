// The CUBA network by hand, for AVX-512, one thread: how fast a loop for this one network can be.
//
// Numbers come from the command line of the compiler: EXC and INH cells, P, STEPS and SEED.  V is kept relative to
// the rest, so that it decays to 0; all three states take their exact step.  Cells are updated 64 at a time, as many
// as there are refractory counters in a register.
#include <immintrin.h>
#include <stdlib.h>

#include "measure.h"
#include "random.h"

enum { CELLS = EXC + INH, PADDED = (CELLS + 63) / 64 * 64, HELD = 50, AHEAD = 3 };
_Static_assert(CELLS <= 65536, "columns have 16 bits");

static const float threshold = -1.0f, reset = -11.0f, w_exc = 1.62f, w_inh = -9.0f;  // mV, from a rest of -49 mV

static float V[PADDED] __attribute__((aligned(64))), ge[PADDED] __attribute__((aligned(64))),
    gi[PADDED] __attribute__((aligned(64)));
static uint8_t held[PADDED] __attribute__((aligned(64)));
static uint32_t row[CELLS + 1];
static uint16_t *columns;
static uint32_t *record;

static void build(void) {
  columns = malloc((size_t)(1.1 * P * CELLS * CELLS + 1e6) * sizeof *columns);
  record = malloc(((size_t)STEPS * CELLS / HELD + 2 * CELLS) * sizeof *record);
  uint32_t synapses = 0;
  for (uint32_t source = 0; source < CELLS; source++) {
    row[source] = synapses;
    for (uint64_t target = random_gap(P); target < CELLS; target += 1 + random_gap(P))
      columns[synapses++] = (uint16_t)target;
  }
  row[CELLS] = synapses;
  for (int cell = 0; cell < CELLS; cell++) V[cell] = (float)(reset + 10 * random_uniform());
  // What only fills the last block must never spike.
  for (int cell = CELLS; cell < PADDED; cell++) V[cell] = gi[cell] = -INFINITY;
}

// One step of all cells; spikes are appended at `spikes`, whose new end is the result.
static uint32_t *update(uint32_t *spikes) {
  const double tau = 20, tau_e = 5, tau_i = 10, dt = 0.1;
  const double decay = exp(-dt / tau), decay_e = exp(-dt / tau_e), decay_i = exp(-dt / tau_i);
  const __m512 a = _mm512_set1_ps((float)decay), de = _mm512_set1_ps((float)decay_e),
               di = _mm512_set1_ps((float)decay_i),
               be = _mm512_set1_ps((float)(tau_e / (tau - tau_e) * (decay - decay_e))),
               bi = _mm512_set1_ps((float)(tau_i / (tau - tau_i) * (decay - decay_i))),
               top = _mm512_set1_ps(threshold);
  const __m512i sixteen = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (uint32_t block = 0; block < PADDED; block += 64) {
    __m512i counters = _mm512_load_si512(held + block);
    __mmask64 active = _mm512_testn_epi8_mask(counters, counters);
    _mm512_store_si512(held + block, _mm512_subs_epu8(counters, _mm512_set1_epi8(1)));
    __mmask16 spiked[4];
#pragma GCC unroll 4
    for (int part = 0; part < 4; part++) {
      float *v = V + block + 16 * part, *e = ge + block + 16 * part, *i = gi + block + 16 * part;
      __m512 old_e = _mm512_load_ps(e), old_i = _mm512_load_ps(i);
      __m512 drive = _mm512_fmadd_ps(be, old_e, _mm512_mul_ps(bi, old_i));
      __m512 new = _mm512_mask_fmadd_ps(_mm512_load_ps(v), (__mmask16)(active >> 16 * part), a, drive);
      _mm512_store_ps(v, new);
      _mm512_store_ps(e, _mm512_mul_ps(old_e, de));
      _mm512_store_ps(i, _mm512_mul_ps(old_i, di));
      spiked[part] = _mm512_cmp_ps_mask(new, top, _CMP_GT_OQ);
    }
    if (__builtin_expect((spiked[0] | spiked[1] | spiked[2] | spiked[3]) == 0, 1)) continue;
    for (int part = 0; part < 4; part++) {
      uint32_t first = block + 16 * part;
      _mm512_mask_store_ps(V + first, spiked[part], _mm512_set1_ps(reset));
      _mm_mask_storeu_epi8(held + first, spiked[part], _mm_set1_epi8(HELD));
      // Some processors are slow where a compressed register goes to memory directly.
      __m512i cells = _mm512_add_epi32(sixteen, _mm512_set1_epi32((int)first));
      _mm512_storeu_si512(spikes, _mm512_maskz_compress_epi32(spiked[part], cells));
      spikes += _mm_popcnt_u32(spiked[part]);
    }
  }
  return spikes;
}

static void prefetch(uint32_t source) {
  for (const uint16_t *line = columns + row[source]; line < columns + row[source + 1]; line += 32)
    _mm_prefetch(line, _MM_HINT_T0);
}

// Adds what the cells between `spike` and `end` send; the delay of one step is that this follows the update.
static void deliver(const uint32_t *spike, const uint32_t *end) {
  for (int ahead = 0; ahead < AHEAD && spike + ahead < end; ahead++) prefetch(spike[ahead]);
  for (; spike < end; spike++) {
    if (spike + AHEAD < end) prefetch(spike[AHEAD]);
    float *target = *spike < EXC ? ge : gi, weight = *spike < EXC ? w_exc : w_inh;
    const uint16_t *column = columns + row[*spike], *last = columns + row[*spike + 1];
#pragma GCC unroll 8
    for (; column < last; column++) target[*column] += weight;
  }
}

int main(void) {
  build();
  uint32_t *end = record;
  _mm_setcsr(_mm_getcsr() | _MM_FLUSH_ZERO_ON | 0x40);  // subnormal numbers count as zero
  Times begin = times_now();
  for (int step = 0; step < STEPS; step++) {
    uint32_t *spikes = end;
    end = update(spikes);
    deliver(spikes, end);
  }
  print_result(begin, record, end);
}
