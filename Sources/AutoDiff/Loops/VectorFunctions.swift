/// Elementary functions of whole vectors.
enum VectorFunctions {}
