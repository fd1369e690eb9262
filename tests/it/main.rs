//! The integration tests: real processes, real audio.
mod firmware;
mod harness;
