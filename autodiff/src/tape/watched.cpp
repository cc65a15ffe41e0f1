// SPDX-License-Identifier: MIT
// Leaves that read the memory of parameters, and how a tape notices that those have changed.
#include <algorithm>
#include <array>

#include "tapestry/autodiff/detail/state.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry::detail {

template <class T>
std::uint32_t TapeState<T>::watch(Parameter<T>& parameter) {
  for (const WatchedAs<T>& leaf : watched_as)
    if (leaf.parameter == &parameter) return leaf.entry;
  Entry<T> entry;
  entry.data = parameter.storage().data();
  entry.shape = parameter.shape();
  entry.generation = generation;
  entry.scope = scope;
  entry.requires_grad = parameter.requires_grad();
  entry.borrowed = true;
  entry.watches = true;
  entry.grad_outside = true;
  if (!parameter.name().empty()) entry.name = names.intern(parameter.name());
  const std::uint32_t watched =
      add_watched({none, Link<Parameter<T>>(parameter), entry.data, parameter.version()});
  const std::uint32_t index = add_entries(entry, 1);
  watched_[watched].entry = index;
  entries[index].source = watched;
  entries[index].role = Role::parameter;
  return index;
}

/// Remembers what the numbers are when a recorded op reads them first, if any reference exists with
/// which they can be written. Uses of one parameter are many, and share what was found.
template <class T>
void TapeState<T>::note_read(Watched& watched) {
  if (watched.read) return;
  watched.read = true;
  const Parameter<T>& parameter = *watched.parameter.get();
  if (parameter.handed_out() == 0) return;
  constexpr std::size_t far = 256;
  std::size_t left = parameter.size() < far ? 0 : far;
  for (auto other = watched_.rbegin(); left > 0 && other != watched_.rend(); ++other, --left) {
    if (other->data != watched.data || !other->read || other->sum == 0) continue;
    watched.sum = other->sum;
    return;
  }
  watched.sum = parameter.checksum();
}

/// Whether the memory that was watched is still that of the parameter, and unchanged for all that
/// the parameter has been told.
template <class T>
auto TapeState<T>::change_of(const Watched& watched) const -> Change {
  const Parameter<T>* parameter = watched.parameter.get();
  if (!parameter || parameter->is_moved_from()) return Change::gone;
  const Array<T>& value = parameter->value();
  const Shape& shape = entries[watched.entry].shape;
  if (value.data() != watched.data || value.dimension() != shape.rank() ||
      !std::equal(shape.begin(), shape.end(), value.shape().begin()))
    return Change::moved;
  return parameter->version() == watched.version ? Change::none : Change::written;
}

/// Whether the numbers are others than those that were read, though nobody told the parameter.
template <class T>
bool TapeState<T>::is_rewritten(const Watched& watched) const {
  const Parameter<T>& parameter = *watched.parameter.get();
  if (!watched.read || parameter.handed_out() == 0) return false;
  const std::uint64_t sum = watched.sum == 0 ? parameter.handed_out() : watched.sum;
  return parameter.checksum() != sum;
}

template <class T>
std::string TapeState<T>::text_of(const Watched& watched, std::string_view changed) const {
  return "parameter '" + display_name(watched.entry) +
         (change_of(watched) == Change::gone
              ? "' no longer exists; it must live as long as the tape uses it"
              : "' was " + std::string(changed));
}

template <class T>
void TapeState<T>::check_memory(std::string_view op, std::uint32_t index, bool numbers) const {
  const Watched& watched = watched_[owner_of(entries[index]).source];
  const Change change = change_of(watched);
  if (change == Change::none || (change == Change::written && !numbers)) return;
  GradientError error(op, text_of(watched, change == Change::written
                                               ? "changed since it was watched; watch it again"
                                               : "given another array since it was watched; watch "
                                                 "it again"));
  error.add_place(place());
  throw error;
}

template <class T>
const T* TapeState<T>::data_of(const Entry<T>& entry) const {
  if (entry.released || entry.pending) return nullptr;
  if (!entry.watches) return entry.data;
  const Change change = change_of(watched_[owner_of(entry).source]);
  return change == Change::none || change == Change::written ? entry.data : nullptr;
}

template <class T>
auto TapeState<T>::first_changed(bool compare) const -> const Watched* {
  std::array<const Watched*, 64> checked{};  // uses of one parameter are many
  for (const Watched& watched : watched_) {
    if (!watched.read) continue;
    if (change_of(watched) != Change::none) return &watched;
    if (!compare) continue;
    const Watched*& known = checked[reinterpret_cast<std::uintptr_t>(watched.data) / 64 % 64];
    if (known && known->data == watched.data && known->sum == watched.sum) continue;
    if (is_rewritten(watched)) return &watched;
    if (watched.read) known = &watched;
  }
  return nullptr;
}

template <class T>
void TapeState<T>::check_watched(std::string_view op, bool compare) const {
  if (const Watched* changed = first_changed(compare))
    throw GradientError(op, text_of(*changed,
                                    "changed between the forward pass and this backward "
                                    "pass; change it after backward(), or clear the tape "
                                    "and run the forward pass again"));
}

TAPESTRY_INSTANTIATE_MEMBERS(TapeState, change_of, is_rewritten, text_of, watch, note_read,
                             check_memory, data_of, first_changed, check_watched)

}  // namespace tapestry::detail
