// Allocations, of which only the addresses exist, and copies.
#include <pthread.h>
#include "nullgpu.h"

#define SEGMENT_ALIGN 0x200000ULL

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int on_device(const void *p) { return (uint64_t)p >= DEVICE_BASE && (uint64_t)p < DEVICE_LIMIT; }

#define MAX_SEGMENTS (1 << 20)
static struct { uint64_t address, size; } segments[MAX_SEGMENTS];
static long segment_count = 0;
static uint64_t next_address = DEVICE_BASE, used_bytes = 0;

EXPORT cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
  *total = total_memory();
  *available = total_memory() - used_bytes;
  return 0;
}
EXPORT cudaError_t cudaMalloc(void **p, size_t bytes) {
  size_t size = (bytes + SEGMENT_ALIGN - 1) & ~(SEGMENT_ALIGN - 1);
  cudaError_t result = 0;
  pthread_mutex_lock(&lock);
  if (used_bytes + size > total_memory() || next_address + size > DEVICE_LIMIT || segment_count == MAX_SEGMENTS) {
    *p = 0;
    result = cudaErrorMemoryAllocation;
  } else {
    *p = (void *)next_address;
    segments[segment_count].address = next_address;
    segments[segment_count++].size = size;
    next_address += size + SEGMENT_ALIGN;
    used_bytes += size;
  }
  pthread_mutex_unlock(&lock);
  return result;
}
EXPORT cudaError_t cudaMallocAsync(void **p, size_t bytes, cudaStream_t stream) { return cudaMalloc(p, bytes); }
EXPORT cudaError_t cudaMallocManaged(void **p, size_t bytes, unsigned flags) { return cudaMalloc(p, bytes); }
EXPORT cudaError_t cudaFree(void *p) {
  if (!p) return 0;
  pthread_mutex_lock(&lock);
  for (long i = segment_count - 1; i >= 0; i--)
    if (segments[i].address == (uint64_t)p) {
      used_bytes -= segments[i].size;
      segments[i] = segments[--segment_count];
      break;
    }
  pthread_mutex_unlock(&lock);
  return 0;
}
EXPORT cudaError_t cudaFreeAsync(void *p, cudaStream_t stream) { return cudaFree(p); }
EXPORT cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned flags) {
  if (posix_memalign(p, 4096, bytes ? bytes : 4096)) return cudaErrorMemoryAllocation;
  memset(*p, 0, bytes);
  return 0;
}
EXPORT cudaError_t cudaMallocHost(void **p, size_t bytes) { return cudaHostAlloc(p, bytes, 0); }
EXPORT cudaError_t cudaFreeHost(void *p) { free(p); return 0; }
EXPORT cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *a, const void *p) {
  memset(a, 0, sizeof(*a));
  a->type = on_device(p) ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
  a->device = on_device(p) ? 0 : -1;
  if (on_device(p)) a->devicePointer = (void *)p;
  else a->hostPointer = (void *)p;
  return 0;
}
EXPORT cudaError_t cudaGetSymbolAddress(void **p, const void *symbol) { *p = (void *)(DEVICE_BASE - 0x100000); return 0; }

// Shadow memory, off by default: small transfers to a device address are remembered and can be read back.
// DistributedDataParallel's reducer needs it (it sends its bucket order through the device).
#define SHADOW_SLOTS 65536
#define SHADOW_PROBES 64
#define SHADOW_MAX_BYTES 262144
static struct { uint64_t address; size_t size; void *bytes; } shadow[SHADOW_SLOTS];
static int shadow_on = 0;
EXPORT void nullgpu_shadow(int on) { shadow_on = on; }

static long shadow_slot(uint64_t address, int free_slot_too) {
  unsigned hash = (address >> 9) % SHADOW_SLOTS;
  for (int i = 0; i < SHADOW_PROBES; i++) {
    unsigned k = (hash + i) % SHADOW_SLOTS;
    if (shadow[k].address == address) return k;
    if (!shadow[k].address) return free_slot_too ? (long)k : -1;
  }
  return -1;
}
static void shadow_store(uint64_t address, const void *source, size_t bytes) {
  long k = shadow_slot(address, 1);
  if (k < 0) return;
  free(shadow[k].bytes);
  shadow[k].bytes = malloc(bytes);
  shadow[k].size = bytes;
  shadow[k].address = address;
  memcpy(shadow[k].bytes, source, bytes);
}
static int shadow_copy(void *to, const void *from, size_t bytes) {  // 1: the destination is filled
  if (!shadow_on || bytes > SHADOW_MAX_BYTES) return 0;
  int done = 0;
  pthread_mutex_lock(&lock);
  if (!on_device(from)) {
    if (on_device(to)) shadow_store((uint64_t)to, from, bytes);
  } else {
    long k = shadow_slot((uint64_t)from, 0);
    if (k >= 0 && shadow[k].size >= bytes) {
      if (on_device(to)) shadow_store((uint64_t)to, shadow[k].bytes, bytes);
      else memcpy(to, shadow[k].bytes, bytes);
      done = 1;
    }
  }
  pthread_mutex_unlock(&lock);
  return done;
}
static void copy(void *to, const void *from, size_t bytes) {
  if (shadow_copy(to, from, bytes) || on_device(to)) return;
  if (on_device(from)) memset(to, 0, bytes);
  else memcpy(to, from, bytes);
}
EXPORT cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind) { copy(to, from, bytes); return 0; }
EXPORT cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream) {
  copy(to, from, bytes);
  return 0;
}
EXPORT cudaError_t cudaMemcpyPeerAsync(void *to, int to_device, const void *from, int from_device, size_t bytes, cudaStream_t stream) { return 0; }
EXPORT cudaError_t cudaMemset(void *p, int value, size_t bytes) { if (!on_device(p)) memset(p, value, bytes); return 0; }
EXPORT cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream) { return cudaMemset(p, value, bytes); }
