// What the benches share: options, medians, a table or JSON.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace drover::bench {

struct Options {
  bool json = false;
  int runs = 5;
  uint64_t mib = 1024;
};

// --json, --runs N, --mib N; anything else ends the program.
inline Options parse(int argc, char** argv) {
  Options options;
  for (int at = 1; at < argc; at++) {
    const bool has_value = at + 1 < argc;
    if (std::strcmp(argv[at], "--json") == 0) {
      options.json = true;
    } else if (std::strcmp(argv[at], "--runs") == 0 && has_value) {
      options.runs = std::max(1, std::atoi(argv[++at]));
    } else if (std::strcmp(argv[at], "--mib") == 0 && has_value) {
      options.mib = static_cast<uint64_t>(std::max(1, std::atoi(argv[++at])));
    } else {
      std::fprintf(stderr, "usage: %s [--json] [--runs N] [--mib N]; unknown: %s\n", argv[0], argv[at]);
      std::exit(2);
    }
  }
  return options;
}

struct Sample {
  double seconds;      // by the clock
  double cpu_seconds;  // of all threads, in the kernel and outside
};

inline Sample measure(const std::function<void()>& work) {
  const auto cpu = [] {
    rusage usage;
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  };
  const double cpu_before = cpu();
  const auto start = std::chrono::steady_clock::now();
  work();
  const double time = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return {time, cpu() - cpu_before};
}

struct Case {
  std::string name;
  std::function<Sample()> run;
};

// Runs the cases in turn, `runs` times each, so that a change of the machine's load meets all of them, and prints the
// rate by the clock (median, lowest and highest) and the median of the processor time, which a busy machine disturbs
// less. Each run handles `options.mib`.
inline void compare(const char* title, const Options& options, const std::vector<Case>& cases) {
  const double bytes = static_cast<double>(options.mib) * (1 << 20);
  std::vector<std::vector<double>> rates(cases.size());
  std::vector<std::vector<double>> costs(cases.size());
  for (int run = 0; run < options.runs; run++) {
    for (size_t index = 0; index < cases.size(); index++) {
      const Sample sample = cases[index].run();
      rates[index].push_back(bytes * 8 / 1e9 / sample.seconds);
      costs[index].push_back(sample.cpu_seconds * (1 << 30) / bytes);
    }
  }
  const auto median = [](std::vector<double>& all) {
    std::sort(all.begin(), all.end());
    return (all[(all.size() - 1) / 2] + all[all.size() / 2]) / 2;
  };
  if (options.json) {
    std::printf("{\"bench\":\"%s\",\"mib\":%llu,\"runs\":%d,\"cases\":[", title,
                static_cast<unsigned long long>(options.mib), options.runs);
  } else {
    std::printf("%s: %llu MiB, %d interleaved runs\n  %-44s %8s %18s %10s\n", title,
                static_cast<unsigned long long>(options.mib), options.runs, "", "Gbit/s", "lowest to highest",
                "cpu s/GiB");
  }
  for (size_t index = 0; index < cases.size(); index++) {
    const double rate = median(rates[index]);
    const double cost = median(costs[index]);
    const double lowest = rates[index].front();
    const double highest = rates[index].back();
    if (options.json) {
      std::printf(
          "%s{\"name\":\"%s\",\"gbitPerSecond\":{\"median\":%.3f,\"lowest\":%.3f,\"highest\":%.3f},"
          "\"cpuSecondsPerGiB\":%.3f}",
          index == 0 ? "" : ",", cases[index].name.c_str(), rate, lowest, highest, cost);
    } else {
      std::printf("  %-44s %8.2f %8.2f to %6.2f %10.3f\n", cases[index].name.c_str(), rate, lowest, highest, cost);
    }
  }
  if (options.json) std::printf("]}\n");
  std::fflush(stdout);
}

}  // namespace drover::bench
