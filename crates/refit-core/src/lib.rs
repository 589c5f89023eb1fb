//! refit-core
