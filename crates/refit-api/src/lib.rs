//! The public API of a Refit server: the types that go over the wire.
