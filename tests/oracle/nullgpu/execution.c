// Streams and events that are always done, kernels that do nothing.
#include "nullgpu.h"

void *new_handle(void) {
  static uint64_t next = 0x5000;
  return (void *)__sync_add_and_fetch(&next, 16);
}
long do_nothing(void) { return 0; }

EXPORT cudaError_t cudaStreamCreate(cudaStream_t *stream) { *stream = new_handle(); return 0; }
EXPORT cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) { *stream = new_handle(); return 0; }
EXPORT cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority) { *stream = new_handle(); return 0; }
EXPORT cudaError_t cudaStreamGetPriority(cudaStream_t stream, int *priority) { *priority = 0; return 0; }
EXPORT cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) { *status = 0; return 0; }
EXPORT cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, enum cudaStreamCaptureStatus *status, unsigned long long *id, cudaGraph_t *graph,
                                            const cudaGraphNode_t **nodes, const cudaGraphEdgeData **edges, size_t *count) {
  if (status) *status = 0;
  if (id) *id = 0;
  return 0;
}
EXPORT cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode) { return 0; }
EXPORT cudaError_t cudaEventCreate(cudaEvent_t *event) { *event = new_handle(); return 0; }
EXPORT cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) { *event = new_handle(); return 0; }
EXPORT cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end) { *ms = 1.f; return 0; }

EXPORT cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *a, const void *function) {
  memset(a, 0, sizeof(*a));
  a->maxThreadsPerBlock = 1024;
  a->numRegs = 32;
  a->ptxVersion = a->binaryVersion = arch();
  a->maxDynamicSharedSizeBytes = shared_per_block_optin();
  return 0;
}
EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *function, int threads, size_t shared) {
  int n = threads > 0 ? 2048 / threads : 2;
  *blocks = n < 1 ? 1 : n > 32 ? 32 : n;
  return 0;
}
EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, const void *function, int threads, size_t shared, unsigned flags) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, shared);
}
EXPORT cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **arguments, size_t shared, cudaStream_t stream) { return 0; }
EXPORT cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) { function(data); return 0; }
EXPORT cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void *data, unsigned flags) {
  callback(stream, 0, data);
  return 0;
}
EXPORT void **__cudaRegisterFatBinary(void *binary) { static void *handle[4]; return handle; }
EXPORT unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void *stream) { return 0; }
EXPORT cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void *stream) {
  if (grid) grid->x = grid->y = grid->z = 1;
  if (block) block->x = block->y = block->z = 1;
  if (shared) *shared = 0;
  if (stream) *(void **)stream = 0;
  return 0;
}
EXPORT cudaError_t __cudaGetKernel(void **kernel, const void *function) { *kernel = (void *)function; return 0; }
EXPORT const char *cudaGetErrorString(cudaError_t error) { return "null GPU error"; }
EXPORT const char *cudaGetErrorName(cudaError_t error) { return "nullGpuError"; }
EXPORT cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version, unsigned long long flags,
                                                    enum cudaDriverEntryPointQueryResult *status) {
  *function = (void *)do_nothing;
  if (status) *status = 0;
  return 0;
}
