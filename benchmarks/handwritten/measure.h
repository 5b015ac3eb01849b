// CPU and wall time of a step loop, and the line that tells of it.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <time.h>

typedef struct {
  double cpu, wall;
} Times;

static double seconds_of(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static Times times_now(void) { return (Times){seconds_of(CLOCK_PROCESS_CPUTIME_ID), seconds_of(CLOCK_MONOTONIC)}; }

// Times since `begin`, and spikes: `record` holds the cells that spiked, the first EXC of which are excitatory.
static void print_result(Times begin, const uint32_t *record, const uint32_t *end) {
  Times now = times_now();
  long exc = 0;
  for (const uint32_t *spike = record; spike < end; spike++) exc += *spike < EXC;
  printf("{\"cpu_seconds\": %.9f, \"wall_seconds\": %.9f, \"spikes\": {\"exc\": %ld, \"inh\": %ld}}\n",
         now.cpu - begin.cpu, now.wall - begin.wall, exc, (long)(end - record) - exc);
}
