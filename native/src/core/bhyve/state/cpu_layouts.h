// Version 1 of the layouts of what VM_DATA_READ does not carry. Frozen: a change is a new version beside it.
#pragma once

#include "core/bhyve/cpu_state.h"
#include "core/machine/archive.h"

namespace drover::bhyve {

template <typename Archive>
void layout(Archive& archive, std::vector<Register>& registers) {
  archive.list(registers, register_numbers().size(), [](Archive& a, Register& each) {
    a.number(each.number);
    a.number(each.value);
  });
}

template <typename Archive>
void layout(Archive& archive, std::vector<SegmentRegister>& segments) {
  archive.list(segments, segment_numbers().size(), [](Archive& a, SegmentRegister& each) {
    a.number(each.number);
    a.number(each.base);
    a.number(each.limit);
    a.number(each.access);
  });
}

template <typename Archive>
void layout(Archive& archive, RunState& state) {
  archive.number(state.state);
  archive.number(state.sipi_vector);
}

}  // namespace drover::bhyve
