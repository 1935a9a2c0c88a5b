/// An existential value behind an address.
///
/// The optimizer copies a function that takes `any P` for every type that it sees it called with. A function that takes
/// this exists once, which keeps the module's build short where the type makes no difference to speed.
struct Erased<Existential> {
  let value: Existential

  @inline(__always) init(_ value: Existential) { self.value = value }
}
