/// Elementary functions of whole vectors, for all arguments: subnormal numbers, zeros with their signs, infinities and
/// not-a-number included.
///
/// They are generic over the vector, and where `Double` and `Float` need different coefficients, they ask
/// ``LaneVector/isDouble``, which costs nothing once they are specialised. There are no tables in memory but one, because
/// gathers are slow: arguments are reduced by arithmetic, and one polynomial or quotient covers what is left. The result for
/// an entry depends on that entry only.
///
/// The largest errors found, in units of the last place: on hosts with fused multiplication and addition among 2.5 · 10⁷
/// arguments (pow: 10⁶ pairs, twice), without among 2 · 10⁶ (10⁶), and at points found earlier. Found by sampling, they
/// are no proven bounds. A quarter of the arguments each comes from the range where the function varies, from [-2, 2],
/// from small numbers of every size, and from random bit patterns; the reference is the C library's function in 80 bits.
///
///                      fused           unfused
///                 Double  Float   Double  Float
///     exp         1.10    1.07    1.02    0.99
///     expm1       1.60    1.34    1.30    1.29
///     log         0.83    0.83    0.80    0.83
///     log1p       1.35    1.39    1.32    1.36
///     softplus    1.68    1.68    1.66    1.61
///     sigmoid     2.26    2.26    2.18    2.15
///     tanh        2.63    2.50    2.51    2.49
///     erf         1.80    1.59    2.21    2.33
///     erfc        4.76    3.87    5.44    4.29
///     sin         1.47    1.50    2.23    1.92
///     cos         1.54    1.63    2.21    2.32
///     tan         2.67    2.71    2.64    3.16
///     arctan      1.79    1.84    1.83    1.85
///     pow         1.19    0.88    1.19    0.89
///
/// tanh has the looser bound by choice: a correction that was tried brought it to 1.9 (1.6 for `Float`) and took 30 % more
/// time.
///
/// Polynomials are minimax approximations found by Remez's algorithm in 50 digits, quotients by weighted linear least
/// squares with weights iterated towards the minimax one, each then rounded and its error checked in the rounded form.
enum VectorFunctions {}
