//! Tests of the layer. Placeholder.
