//! refit-agent
