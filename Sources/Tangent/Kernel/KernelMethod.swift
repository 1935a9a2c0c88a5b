/// How the inner products of two sets of gradients of one parameter are computed.
///
/// With n and m examples, a outputs of which `pairs` pairs are kept (a² of all, a of a trace or diagonal), a weight of
/// l · r entries met at s positions of an example:
///
/// | method | multiplications | wins |
/// |---|---|---|
/// | `factored` | n m s² (l + pairs · r) | few positions, large weights |
/// | `dense` | (n + m) a s l r + n m pairs · l r | many positions, small weights, few outputs |
/// | `vectorProducts` | m a s l r + n m (a s l r + pairs · s r) | more outputs than positions, all pairs |
///
/// `automatic` counts for every parameter, and takes what is least. Work on single entries, which runs at the speed of
/// memory, counts ten times.
public enum KernelMethod: String, Sendable, CaseIterable {
  /// The method of the least work for every parameter.
  case automatic
  /// From the sides of the outer products, (X Xᵀ) ∘ (Δ Δᵀ) by pairs of positions; of looked-up rows, by equal rows.
  case factored
  /// From the gradients in memory, a part at a time.
  case dense
  /// The gradients of one set in memory, a part at a time, each as a direction that the outer products of the other set
  /// are applied to.
  case vectorProducts = "vector-products"
}
