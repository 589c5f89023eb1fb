//! From text to a tree with places.
