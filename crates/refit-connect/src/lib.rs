//! refit-connect
