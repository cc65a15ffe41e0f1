// SPDX-License-Identifier: MIT
#include "tapestry/kernels/team.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "processors.hpp"

#if __has_include(<pthread.h>)
#include <pthread.h>
#endif

namespace tapestry::detail {
namespace {

std::atomic<int> threads_wanted{1};
std::atomic<bool> team_gone{false};  // at the end of the program
thread_local bool in_parallel = false;

void relax() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_ia32_pause();
#endif
}

/// Looks at `done` for a moment. Whether it came true.
template <class Done>
bool spin_until(const Done& done) {
  for (int i = 0; i < 4000; ++i, relax())
    if (done()) return true;
  return done();
}

/// One caller at a time gives the team work. Workers come to it when they can: a caller whose
/// workers have been slow to wake does all of it alone, and waits only for those that have begun.
class Team {
 public:
  Team() {
#if __has_include(<pthread.h>)
    pthread_atfork(&before_fork, &after_fork, &after_fork_in_child);
#endif
  }

  ~Team() {
    const std::lock_guard lock(in_use_);
    team_gone = true;
    stop();
  }

  static Team& instance() {
    static Team team;
    return team;
  }

  /// Whether there was a free team.
  bool try_run(std::size_t parts, void (*run)(const void*, std::size_t), const void* body) {
    const std::unique_lock lock(in_use_, std::try_to_lock);
    if (!lock.owns_lock() || team_gone) return false;
    resize(static_cast<std::size_t>(threads_wanted.load()) - 1);
    processors_.keep_off_this(workers_);
    task_ = {run, body, parts};
    next_part_ = 0;
    error_ = nullptr;
    open_ = true;
    ++round_;
    round_.notify_all();
    take_parts();
    open_ = false;
    wait_for_workers();
    if (error_) std::rethrow_exception(error_);
    return true;
  }

 private:
  struct Task {
    void (*run)(const void* body, std::size_t part);
    const void* body;
    std::size_t parts;
  };

  void resize(std::size_t count) {
    if (workers_.size() == count) return;
    stop();
    processors_.forget();
    try {
      while (workers_.size() < count)
        workers_.emplace_back([this, round = round_.load()] { work(round); });
    } catch (const std::system_error&) {  // so there are fewer
    }
  }

  void stop() {
    stopping_ = true;
    ++round_;
    round_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    stopping_ = false;
  }

  void work(std::uint32_t seen) {
    in_parallel = true;
    for (;;) {
      if (!spin_until([&] { return round_ != seen; })) round_.wait(seen);
      seen = round_;
      if (stopping_) return;
      // A task is not replaced while a worker counts as inside, and whoever is inside looks first
      // whether it is still open.
      ++inside_;
      if (open_) take_parts();
      if (--inside_ == 0) inside_.notify_one();
    }
  }

  void take_parts() {
    for (std::size_t part = next_part_++; part < task_.parts; part = next_part_++) {
      try {
        task_.run(task_.body, part);
      } catch (...) {
        const std::lock_guard lock(error_mutex_);
        if (!error_) error_ = std::current_exception();
      }
    }
  }

  void wait_for_workers() {
    spin_until([&] { return inside_ == 0; });
    for (std::uint32_t count = inside_; count != 0; count = inside_) inside_.wait(count);
  }

  // A fork copies none of the workers: the child makes new ones when it needs them.
  static void before_fork() {
    if (!team_gone) instance().in_use_.lock();
  }
  static void after_fork() {
    if (!team_gone) instance().in_use_.unlock();
  }
  static void after_fork_in_child() {
    if (team_gone) return;
    Team& team = instance();
    static std::vector<std::thread>* lost = nullptr;  // they cannot be joined, nor destroyed
    lost = new std::vector<std::thread>(std::move(team.workers_));
    static_cast<void>(lost);
    team.workers_.clear();
    team.inside_ = 0;
    team.in_use_.unlock();
  }

  std::mutex in_use_;
  std::vector<std::thread> workers_;
  Processors processors_;
  std::atomic<std::uint32_t> round_{0};   // changes whenever there is something to do
  std::atomic<std::uint32_t> inside_{0};  // workers that look at the task
  std::atomic<bool> open_{false};
  std::atomic<bool> stopping_{false};
  Task task_{};
  std::atomic<std::size_t> next_part_{0};
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

void run_alone(std::size_t parts, void (*run)(const void*, std::size_t), const void* body) {
  for (std::size_t part = 0; part < parts; ++part) run(body, part);
}

/// Restores the mark of the thread, whatever is thrown.
struct InParallel {
  InParallel() { in_parallel = true; }
  InParallel(const InParallel&) = delete;
  InParallel& operator=(const InParallel&) = delete;
  ~InParallel() { in_parallel = false; }
};

}  // namespace

std::size_t parts_for(std::size_t work, std::size_t most) {
  const auto threads = static_cast<std::size_t>(threads_wanted.load());
  if (in_parallel || threads == 1 || work < worth_sharing) return 1;
  return std::max<std::size_t>(1, std::min({threads, most, work / (worth_sharing / 2)}));
}

void run_parts(std::size_t parts, void (*run)(const void*, std::size_t), const void* body) {
  if (in_parallel || threads_wanted == 1 || team_gone) return run_alone(parts, run, body);
  const InParallel mark;
  if (!Team::instance().try_run(parts, run, body)) run_alone(parts, run, body);
}

Range part_of(std::size_t count, std::size_t parts, std::size_t part, std::size_t unit) {
  if (parts == 1) return {0, count};
  const std::size_t units = (count + unit - 1) / unit;
  const auto end = [&](std::size_t p) { return std::min(count, units * p / parts * unit); };
  return {end(part), end(part + 1)};
}

int threads_in_use() { return threads_wanted; }

void use_threads(int count) { threads_wanted = count; }

}  // namespace tapestry::detail
