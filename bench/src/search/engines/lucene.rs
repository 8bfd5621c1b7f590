//! Lucene, in a Java process of its own that `bench/lucene/SearchDriver.java` runs in.
//!
//! Times are taken after a warm-up over all queries and commands. One thread indexes, with the common budget of memory,
//! and merges everything into one segment; nothing caches queries. Its standard analyzer has no stop words. k1 and b are
//! given. `TOP_10_COUNT` is one search that counts all hits.

use std::path::Path;

use super::{Engine, State, driver};
use crate::Result;
use crate::lucene;
use crate::search::corpus::Documents;

const DRIVER: &str = "SearchDriver";

pub(super) fn missing() -> Option<String> {
    lucene::missing(DRIVER)
}

pub(super) fn build(
    documents: &Documents,
    folder: &Path,
    _state: State,
) -> Result<Box<dyn Engine>> {
    driver::build(lucene::command(DRIVER, folder)?, documents, folder)
}
