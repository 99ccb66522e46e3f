/* hvm_start_info of the PVH boot protocol: Xen's public/arch-x86/hvm/start_info.h. */
#ifndef DROVER_GUEST_START_INFO_H
#define DROVER_GUEST_START_INFO_H

#include <stdint.h>

enum { START_INFO_MAGIC = 0x336ec578, MEMORY_TYPE_RAM = 1 };

struct start_info {
  uint32_t magic;
  uint32_t version;
  uint32_t flags;
  uint32_t modules;
  uint64_t module_list;
  uint64_t command_line;
  uint64_t rsdp;
  /* From version 1 on. */
  uint64_t memory_map;
  uint32_t memory_map_entries;
  uint32_t reserved;
};

struct memory_map_entry {
  uint64_t address;
  uint64_t bytes;
  uint32_t type;
  uint32_t reserved;
};

_Static_assert(sizeof(struct start_info) == 56, "hvm_start_info is 56 bytes");
_Static_assert(sizeof(struct memory_map_entry) == 24, "hvm_memmap_table_entry is 24 bytes");

#endif
