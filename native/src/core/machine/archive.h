// Writing and reading a layout field by field.
//
// A layout is one function over an archive, `layout(archive, value)`; with a Writer it fills bytes, with a Reader it
// takes them, so both cannot differ. Numbers are little-endian, without padding. A Reader never reads past its bytes:
// what is missing reads as 0 and the reading has failed.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "core/base/little_endian.h"

namespace drover::machine {

class Writer {
 public:
  template <typename T>
  void number(T& value) {
    using Unsigned = std::make_unsigned_t<T>;
    bytes_.resize(bytes_.size() + sizeof(T));
    put_le<Unsigned>(bytes_.data() + bytes_.size() - sizeof(T), static_cast<Unsigned>(value));
  }
  // A count as 32 bits, then as many elements.
  template <typename T, typename Element>
  void list(std::vector<T>& values, size_t, const Element& element) {
    uint32_t count = static_cast<uint32_t>(values.size());
    number(count);
    for (T& value : values) element(*this, value);
  }
  std::vector<uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<uint8_t> bytes_;
};

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  template <typename T>
  void number(T& value) {
    using Unsigned = std::make_unsigned_t<T>;
    value = 0;
    if (bytes_.size() - at_ < sizeof(T)) {
      fail();
      return;
    }
    value = static_cast<T>(get_le<Unsigned>(bytes_.data() + at_));
    at_ += sizeof(T);
  }
  // Longer than `limit` is a failure, before anything is allocated for it.
  template <typename T, typename Element>
  void list(std::vector<T>& values, size_t limit, const Element& element) {
    uint32_t count = 0;
    number(count);
    values.clear();
    if (count > limit || count > bytes_.size() - at_) {
      fail();
      return;
    }
    values.resize(count);
    for (T& value : values) element(*this, value);
  }

  bool failed() const { return failed_; }
  size_t left() const { return bytes_.size() - at_; }

 private:
  void fail() {
    failed_ = true;
    at_ = bytes_.size();
  }

  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace drover::machine
