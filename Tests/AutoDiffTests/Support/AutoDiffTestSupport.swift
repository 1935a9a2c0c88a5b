// The helpers that all test targets share, for all files of this one.
@_exported import TestSupport
