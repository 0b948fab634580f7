//! Tests of the interpreter itself.
