//! The largest of everything that crosses the wire, in bytes unless said otherwise. Whatever is larger is refused unread.

/// One chunk of media. 64 KiB keeps a 4G link responsive and the per-packet overhead near 0.1 %.
pub const CHUNK_BYTES: u32 = 64 * 1024;
/// A signed plan with its certificates and approvals.
pub const PLAN_BYTES: usize = 512 * 1024;
/// Any other JSON message.
pub const MESSAGE_BYTES: usize = 64 * 1024;
/// A request to enrol, or its answer.
pub const ENROLMENT_BYTES: usize = 32 * 1024;
/// A certificate request (PKCS #10).
pub const CSR_BYTES: usize = 2 * 1024;
/// One DSSE envelope inside a plan, other than the plan itself.
pub const STATEMENT_BYTES: usize = 8 * 1024;
/// The authority's trust list.
pub const TRUST_BYTES: usize = 64 * 1024;
/// How often one site's authority may be followed by another.
pub const SUCCESSIONS: usize = 16;
/// The MQTT packet limit of client and broker: a plan and its topic.
pub const PACKET_BYTES: usize = PLAN_BYTES + 4 * 1024;
/// Playback records in one report.
pub const RECORDS_PER_REPORT: usize = 50;
/// Files that a state names as missing; they are the next to be heard, and what comes after them has time.
pub const MISSING_TOLD: usize = 24;
/// Certificates, approvals, tickets and hours in one plan.
pub const STATEMENTS_PER_PLAN: usize = 1000;
