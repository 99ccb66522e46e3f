// Tables of the CRC32C implementations, computed by the compiler.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace drover::detail {

inline constexpr uint32_t kCrc32cPolynomial = 0x82f63b78;  // Castagnoli, bits reversed

// Slicing by 8: table[k][b] is the CRC register after byte b and k zero bytes.
using SliceTables = std::array<std::array<uint32_t, 256>, 8>;

constexpr SliceTables make_slice_tables() {
  SliceTables tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) ? kCrc32cPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t slice = 1; slice < 8; slice++) {
    for (size_t byte = 0; byte < 256; byte++) {
      const uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

inline constexpr SliceTables kSliceTables = make_slice_tables();

// Moves a CRC register over a fixed number of zero bytes with four look-ups: how three CRCs that were computed side by
// side are joined into one.
using ShiftTable = std::array<std::array<uint32_t, 256>, 4>;

// A 32×32 matrix over GF(2), one column a word.
using BitMatrix = std::array<uint32_t, 32>;

constexpr uint32_t multiply(const BitMatrix& matrix, uint32_t vector) {
  uint32_t sum = 0;
  for (size_t column = 0; vector != 0; vector >>= 1, column++) {
    if (vector & 1) sum ^= matrix[column];
  }
  return sum;
}

constexpr BitMatrix multiply(const BitMatrix& a, const BitMatrix& b) {
  BitMatrix product{};
  for (size_t column = 0; column < 32; column++) product[column] = multiply(a, b[column]);
  return product;
}

constexpr ShiftTable make_shift_table(size_t zero_bytes) {
  BitMatrix power{};  // one zero bit, then squared for 2, 4, 8 … bits
  power[0] = kCrc32cPolynomial;
  for (size_t column = 1; column < 32; column++) power[column] = 1u << (column - 1);
  BitMatrix shift{};
  for (size_t column = 0; column < 32; column++) shift[column] = 1u << column;
  for (size_t bits = zero_bytes * 8; bits != 0; bits >>= 1) {
    if (bits & 1) shift = multiply(power, shift);
    power = multiply(power, power);
  }
  ShiftTable table{};
  for (size_t byte = 0; byte < 4; byte++) {
    for (uint32_t value = 0; value < 256; value++) table[byte][value] = multiply(shift, value << (8 * byte));
  }
  return table;
}

constexpr uint32_t shift_crc(const ShiftTable& table, uint32_t crc) {
  return table[0][crc & 0xff] ^ table[1][(crc >> 8) & 0xff] ^ table[2][(crc >> 16) & 0xff] ^ table[3][crc >> 24];
}

}  // namespace drover::detail
