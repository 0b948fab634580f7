//! Tests of the layer, on virtual time.
