// What the device says of itself.
#include "nullgpu.h"

static long env_long(const char *name, long fallback) {
  const char *text = getenv(name);
  return text ? atol(text) : fallback;
}
int arch(void) {
  static int value = 0;
  if (!value) value = (int)env_long("NULLGPU_ARCH", 80);
  return value;
}
size_t total_memory(void) {
  static size_t value = 0;
  if (!value) value = (size_t)env_long("NULLGPU_MEM_GIB", 8192) << 30;
  return value;
}
static int hopper(void) { return arch() >= 90; }
static int multiprocessors(void) { return hopper() ? 132 : 108; }
int shared_per_block_optin(void) { return hopper() ? 232448 : 166912; }
static int shared_per_multiprocessor(void) { return hopper() ? 233472 : 167936; }

EXPORT cudaError_t cudaGetDeviceCount(int *count) { *count = 1; return 0; }
EXPORT cudaError_t cudaGetDevice(int *device) { *device = 0; return 0; }
EXPORT cudaError_t cudaSetDevice(int device) { return 0; }
EXPORT cudaError_t cudaDriverGetVersion(int *version) { *version = 13020; return 0; }
EXPORT cudaError_t cudaRuntimeGetVersion(int *version) { *version = 13020; return 0; }

EXPORT cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device) {
  memset(p, 0, sizeof(*p));
  strcpy(p->name, hopper() ? "NVIDIA H100 (null)" : "NVIDIA A100 (null)");
  p->major = arch() / 10;
  p->minor = arch() % 10;
  p->totalGlobalMem = total_memory();
  p->totalConstMem = 65536;
  p->l2CacheSize = hopper() ? 52428800 : 41943040;
  p->memoryBusWidth = 5120;
  p->memPitch = 2147483647;
  p->warpSize = 32;
  p->multiProcessorCount = multiprocessors();
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsPerMultiProcessor = 2048;
  p->maxBlocksPerMultiProcessor = 32;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 2147483647;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->sharedMemPerBlock = 49152;
  p->sharedMemPerBlockOptin = shared_per_block_optin();
  p->sharedMemPerMultiprocessor = shared_per_multiprocessor();
  p->reservedSharedMemPerBlock = 1024;
  p->textureAlignment = 512;
  p->texturePitchAlignment = 32;
  p->asyncEngineCount = 3;
  p->canMapHostMemory = p->concurrentKernels = p->unifiedAddressing = p->managedMemory = 1;
  p->streamPrioritiesSupported = p->cooperativeLaunch = 1;
  p->clusterLaunch = hopper();
  return 0;
}

EXPORT cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
  switch ((int)attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
    case cudaDevAttrMaxBlockDimX:
    case cudaDevAttrMaxBlockDimY: *value = 1024; break;
    case cudaDevAttrMaxBlockDimZ: *value = 64; break;
    case cudaDevAttrMaxGridDimX:
    case cudaDevAttrMaxPitch: *value = 2147483647; break;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ: *value = 65535; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = 49152; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = shared_per_block_optin(); break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = shared_per_multiprocessor(); break;
    case cudaDevAttrReservedSharedMemoryPerBlock: *value = 1024; break;
    case cudaDevAttrTotalConstantMemory:
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor: *value = 65536; break;
    case cudaDevAttrWarpSize:
    case cudaDevAttrMaxBlocksPerMultiprocessor: *value = 32; break;
    case cudaDevAttrTextureAlignment: *value = 512; break;
    case cudaDevAttrMultiProcessorCount: *value = multiprocessors(); break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
    case cudaDevAttrL2CacheSize: *value = 41943040; break;
    case cudaDevAttrAsyncEngineCount: *value = 3; break;
    case cudaDevAttrComputeCapabilityMajor: *value = arch() / 10; break;
    case cudaDevAttrComputeCapabilityMinor: *value = arch() % 10; break;
    case cudaDevAttrCanMapHostMemory:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrStreamPrioritiesSupported:
    case cudaDevAttrManagedMemory:
    case cudaDevAttrCooperativeLaunch: *value = 1; break;
    case cudaDevAttrClusterLaunch: *value = hopper(); break;
    default: *value = 0;
  }
  return 0;
}
EXPORT cudaError_t cudaDeviceGetPCIBusId(char *text, int size, int device) { strncpy(text, "0000:00:00.0", size); return 0; }
EXPORT cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return 0;
}
