//! A store so small that a few dozen documents flush, compact and spill, for tests that draw at random; and how many cases they draw.
//!
//! Each test of the public API that needs it includes this file. Background work is done when the test says so, and the clock stands.

use std::sync::Arc;

use alluvium::lsm::{self, ManualClock, ManualScheduler};

/// Options of a tiny store.
pub(crate) fn options() -> lsm::Options {
    lsm::Options {
        memory_bytes: 1 << 20,
        block_bytes: 256,
        segment_bytes_target: 4 << 10,
        value_chunk_bytes: 100,
        level0_runs_max: 2,
        level_ratio: 2,
        level1_bytes_max: 16 << 10,
        log_bytes_max: 24 << 10,
        scheduler: Arc::new(ManualScheduler),
        clock: Arc::new(ManualClock::default()),
        ..lsm::Options::default()
    }
}

/// How many times as many cases are drawn: `ALLUVIUM_TEST_SCALE`, 1 unless it is set.
pub(crate) fn scale() -> u64 {
    std::env::var("ALLUVIUM_TEST_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1)
}
