//! [`copy_alive`]: the values of a segment that are alive, as a segment of another file.
//!
//! For `compact_into`. The copy has the same number, and its values have the same pages, so that references hold there
//! too. Every chunk is opened on the way, and sealed anew where the two files have ciphers.

use std::sync::Arc;

use super::kept::Kept;
use super::reference::Reference;
use super::segment::{ValueHome, ValueSegment};
use super::writer::Writing;
use crate::lsm::block::{Compression, reseal};
use crate::lsm::error::{Error, Result};

/// Copies the values of `references`, which ascend, something at least, to `home`.
pub(crate) fn copy_alive(
    source: &ValueSegment,
    home: &Arc<ValueHome>,
    references: &[Reference],
) -> Result<ValueSegment> {
    let mut kept = Kept::default();
    for reference in references {
        kept.push(reference.page, reference.pages());
    }
    let lease = home.space.allocate(kept.pages());
    let mut target = ValueSegment::new(Arc::clone(home), source.id, lease, kept);
    let mut place = 0;
    for reference in references {
        let frames = source.frames(reference)?;
        let mut writing = Writing::new(&mut target, reference.page, place, Compression::None);
        let mut resealed = Vec::new();
        for index in 0..frames.len() {
            let (offset, sealed) = source.frame(reference, &frames, index)?;
            resealed.clear();
            let (from, to) = (&source.home.sealer, &home.sealer);
            reseal(from, to, &sealed, source.id, offset, &mut resealed)
                .map_err(|error| error.at(|| source.to_string()))?;
            writing.frame(&resealed)?;
        }
        writing.raw_bytes = reference.raw_bytes;
        let copied = writing.finish()?;
        if copied != *reference {
            let what = format!("a value of {source} is not what was said: {copied:?}");
            return Err(Error::corruption(what, 0));
        }
        place += reference.pages();
    }
    Ok(target)
}
