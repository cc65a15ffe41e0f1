// SPDX-License-Identifier: MIT
// References to objects that are moved and copied with the structs they are in.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace tapestry::detail {

/// Base of X, whose objects can be referred to by a `Link<X>`: the link finds the object where it
/// was moved to, and knows when it is gone or was copied.
template <class X>
class Followed {
 public:
  /// What an object and its links share: where the object is. It outlives both.
  class Place {
   public:
    explicit Place(Followed* object) : object_(object) {}

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    static void release(Place* place) noexcept {
      while (place && place->references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
        delete std::exchange(place, place->into_);
    }

   private:
    friend class Followed;
    std::atomic<Followed*> object_;
    Place* into_ = nullptr;  // of the object to which this one's contents were assigned
    std::atomic<std::uint64_t> copies_{0};
    std::atomic<std::uint64_t> references_{1};
  };

  /// The object of a place, or null when it is gone; and how often it was copied.
  [[nodiscard]] static X* object_at(const Place* place) {
    while (place->into_) place = place->into_;
    return static_cast<X*>(place->object_.load(std::memory_order_relaxed));
  }
  [[nodiscard]] static std::uint64_t copies_of(const Place* place) {
    std::uint64_t copies = 0;
    for (; place; place = place->into_) copies += place->copies_.load(std::memory_order_relaxed);
    return copies;
  }

  /// The place of this object. Made when it is first asked for, by whichever thread is first.
  [[nodiscard]] Place* place() {
    Place* known = place_.load(std::memory_order_acquire);
    if (known) return known;
    auto* made = new Place(this);
    if (place_.compare_exchange_strong(known, made, std::memory_order_acq_rel)) return made;
    delete made;
    return known;
  }

 protected:
  Followed() = default;
  Followed(const Followed& other) noexcept { other.count_copy(); }
  Followed(Followed&& other) noexcept { take(other.place_.exchange(nullptr)); }

  /// Assigning changes what the object holds; the links to it stay.
  Followed& operator=(const Followed& other) noexcept {
    if (this != &other) other.count_copy();
    return *this;
  }

  /// The links to both objects lead here from now on.
  Followed& operator=(Followed&& other) noexcept {
    if (this == &other) return *this;
    Place* theirs = other.place_.exchange(nullptr);
    Place* own = place_.load(std::memory_order_relaxed);
    if (!theirs || !own) {
      if (theirs) take(theirs);
      return *this;
    }
    own->retain();
    theirs->into_ = own;
    Place::release(theirs);
    return *this;
  }
  ~Followed() {
    Place* own = place_.load(std::memory_order_relaxed);
    if (own) own->object_.store(nullptr, std::memory_order_relaxed);
    Place::release(own);
  }

 private:
  void take(Place* place) noexcept {
    place_.store(place, std::memory_order_relaxed);
    if (place) place->object_.store(this, std::memory_order_relaxed);
  }
  void count_copy() const noexcept {
    if (Place* own = place_.load(std::memory_order_relaxed))
      own->copies_.fetch_add(1, std::memory_order_relaxed);
  }

  std::atomic<Place*> place_{nullptr};
};

/// A reference to an object that may move.
template <class X>
class Link {
 public:
  Link() = default;  // leads nowhere
  explicit Link(Followed<X>& object) : place_(object.place()), copies_(copies_now()) {
    place_->retain();
  }
  Link(const Link& other) noexcept : place_(other.place_), copies_(other.copies_), copied_(true) {
    if (place_) place_->retain();
  }
  Link(Link&& other) noexcept
      : place_(std::exchange(other.place_, nullptr)),
        copies_(other.copies_),
        copied_(other.copied_) {}
  Link& operator=(Link other) noexcept {
    std::swap(place_, other.place_);
    copies_ = other.copies_;
    copied_ = other.copied_;
    return *this;
  }
  ~Link() { Followed<X>::Place::release(place_); }

  /// Where the object is now; null when it no longer exists.
  [[nodiscard]] X* get() const { return place_ ? Followed<X>::object_at(place_) : nullptr; }

  /// Whether it leads to an object, or did.
  [[nodiscard]] bool is_set() const { return place_ != nullptr; }

  /// Whether this is the copy of a link to an object that has been copied too: it may be meant to
  /// lead to the copy.
  [[nodiscard]] bool unsure() const { return place_ && copied_ && copies_now() != copies_; }

 private:
  [[nodiscard]] std::uint64_t copies_now() const { return Followed<X>::copies_of(place_); }

  typename Followed<X>::Place* place_ = nullptr;
  std::uint64_t copies_ = 0;  // of the object, when the first link of this line was made
  bool copied_ = false;
};

}  // namespace tapestry::detail
