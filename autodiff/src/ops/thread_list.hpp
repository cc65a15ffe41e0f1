// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

namespace tapestry::detail {

/// A list that a thread keeps for its capacity, one for each `Use`, a type that serves as a name.
/// Ops may run in destructors of static objects, when the thread's own have been destroyed: then
/// there is a new one.
template <class Use, class Element>
class ThreadList {
 public:
  static std::vector<Element>& get() {
    if (!list_) make();
    return *list_;
  }

 private:
  struct Owner {
    Owner() = default;
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    ~Owner() {
      delete list_;
      list_ = nullptr;
      ended_ = true;
    }
  };

  static void make() {
    list_ = new std::vector<Element>();
    if (!ended_) static thread_local Owner owner;
  }

  static inline thread_local std::vector<Element>* list_ = nullptr;
  static inline thread_local bool ended_ = false;
};

template <class Use, class Element>
std::vector<Element>& thread_list() {
  return ThreadList<Use, Element>::get();
}

}  // namespace tapestry::detail
