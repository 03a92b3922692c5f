//! The edge worker core.
