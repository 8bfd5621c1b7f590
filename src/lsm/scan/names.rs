//! [`NameCursor`]: the names of groups in all runs, as far as filters take them.
//!
//! Snapshots and transactions make it, readers of a dictionary walk it. Every source has a filter of its own, so that what filters pass
//! over is never compared between sources: only what they take is merged. Sources are runs as they were written, so names may come of
//! entries that newer runs hide. Invariant: names strictly ascend. Cost: a look a name and source, and for what is taken one comparison
//! a source.

use std::fmt;

use crate::lsm::cursor::RawCursor;
use crate::lsm::error::Result;
use crate::lsm::name_filter::NameFilter;

/// A position among names of groups, going forward.
pub struct NameCursor<'a> {
    sources: Vec<NameSource<'a>>,
    /// The current name; of no meaning before the first.
    name: Vec<u8>,
}

/// A run, and what is wanted of it.
struct NameSource<'a> {
    cursor: Box<dyn RawCursor + 'a>,
    filter: Box<dyn NameFilter + 'a>,
    /// How long the name is at which the cursor stands; `None` at the end.
    name_len: Option<usize>,
}

impl NameSource<'_> {
    fn name(&self) -> Option<&[u8]> {
        self.name_len.map(|len| self.cursor.key().get(..len).unwrap_or(self.cursor.key()))
    }

    fn find(&mut self) -> Result<()> {
        self.name_len = self.cursor.find_name(&mut *self.filter)?;
        Ok(())
    }
}

impl<'a> NameCursor<'a> {
    /// A cursor that stands before the first name from `from` on.
    pub(crate) fn new(
        cursors: impl IntoIterator<Item = Box<dyn RawCursor + 'a>>,
        from: &[u8],
        filter: &dyn Fn() -> Box<dyn NameFilter + 'a>,
    ) -> Result<Self> {
        let mut sources = Vec::new();
        for mut cursor in cursors {
            cursor.seek_ge(from)?;
            let mut source = NameSource { cursor, filter: filter(), name_len: None };
            source.find()?;
            sources.push(source);
        }
        Ok(NameCursor { sources, name: Vec::new() })
    }

    /// The next name; `None` behind the last.
    ///
    /// # Errors
    /// Those of filters, and corruption; the cursor is of no use then.
    pub fn next_name(&mut self) -> Result<Option<&[u8]>> {
        let nearest = self.sources.iter().filter_map(NameSource::name).min();
        let Some(nearest) = nearest else { return Ok(None) };
        self.name.clear();
        self.name.extend_from_slice(nearest);
        for source in &mut self.sources {
            // Several entries of a group may follow each other.
            while source.name() == Some(&self.name[..]) {
                source.cursor.next()?;
                source.find()?;
            }
        }
        Ok(Some(&self.name))
    }
}

impl fmt::Debug for NameCursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameCursor").field("sources", &self.sources.len()).finish_non_exhaustive()
    }
}
