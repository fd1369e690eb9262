//! The integration tests: one program, real brokers, real controllers, real audio.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says so")]

mod admin;
mod areas;
mod audit;
mod authority;
mod broadcast;
mod brokers;
mod browser;
mod bulletins;
mod cli;
mod commands;
mod crowds;
mod delivery;
mod disks;
mod doctor;
mod enrolment;
mod faults;
mod firmware;
mod formats;
mod golden;
mod harness;
mod heard;
mod hostile;
mod lunar;
mod neighbours;
mod occurrences;
mod offline;
mod people;
mod planner;
mod properties;
mod readiness;
mod redteam;
mod reports;
mod roles;
mod rules;
mod setup;
mod simulate;
mod sound;
mod speakers;
mod store;
mod strangers;
mod tidy;
mod transport;
mod trust;
mod watchdog;
