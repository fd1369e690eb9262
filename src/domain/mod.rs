//! What the words of the trade mean, as pure values and functions.
//!
//! Nothing in here knows a clock, a file, a socket, SQL, JSON or an async runtime: time is an
//! argument, and the wire and the store have their own modules. The same functions decide
//! "what plays when" in the center's preview, in the plans and on the controller.

pub mod approval;
pub mod area;
pub mod bulletin;
pub mod calendar;
pub mod clash;
pub mod command;
pub mod field;
pub mod fleet;
pub mod hours;
pub mod ids;
pub mod moved;
pub mod neighbours;
pub mod plan;
pub mod priority;
pub mod programme;
pub mod readiness;
pub mod record;
pub mod relay;
pub mod report;
pub mod role;
pub mod schedule;
pub mod script;
pub mod sentence;
pub mod series;
pub mod standing;
pub mod timetable;
pub mod trust;

/// One day in milliseconds, for reckoning on instants (never for calendar days, which can be longer).
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;
