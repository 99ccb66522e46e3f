// The guests that the build made, as bytes.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace drover {

inline std::vector<uint8_t> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<uint8_t> guest_image(const std::string& name) {
  return read_file(std::string(DROVER_GUEST_DIR) + "/" + name);
}

}  // namespace drover
