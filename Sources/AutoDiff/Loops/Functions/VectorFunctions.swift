/// Elementary functions of whole vectors, for all arguments: subnormal numbers, zeros with their signs, infinities and
/// not-a-number included.
///
/// They are generic over the vector, and where `Double` and `Float` need different coefficients, they ask
/// ``LaneVector/isDouble``, which costs nothing once they are specialized. Tables are as large as one instruction can look
/// up in registers, because gathers from memory are slow: arguments are reduced by arithmetic, and one polynomial or
/// quotient covers what is left. The result for an entry depends on that entry only.
///
/// Every function stays below 2.1 units in the last place. The largest errors found, in these units: among 5 · 10⁶ arguments
/// for each of three instruction sets (pow: 10⁶ pairs), and at points found earlier. Found by sampling, they are no proven
/// bounds. A sixth of the arguments each comes from the range where the function varies, from [-2, 2], from [-8, 8], from
/// small numbers of every size, from the ends of the intervals into which arguments are divided, and from random bit
/// patterns; the reference is the C library's function in 80 bits. Hosts with fused multiplication and addition count by
/// the worse of those with and without AVX-512.
///
///                      fused           unfused
///                 Double  Float   Double  Float
///     exp         1.12    1.05    1.03    1.02
///     expm1       1.68    1.34    1.49    1.32
///     log         0.83    0.83    0.82    0.83
///     log1p       1.37    1.39    1.34    1.36
///     softplus    1.71    1.70    1.66    1.68
///     sigmoid     1.48    1.47    1.87    1.87
///     tanh        2.05    1.93    2.05    2.00
///     erf         1.80    1.59    1.57    1.39
///     erfc        1.72    1.48    1.80    1.61
///     sin         1.48    1.52    1.86    1.99
///     cos         1.58    1.63    1.86    1.98
///     tan         1.63    1.53    1.85    1.71
///     arctan      1.80    1.84    1.83    1.86
///     pow         1.19    0.92    1.19    0.89
///
/// Polynomials are minimax approximations found by Remez's algorithm in 50 digits, quotients by weighted linear least
/// squares with weights iterated towards the minimax one, each then rounded and its error checked in the rounded form.
enum VectorFunctions {}
