//! [`Records`]: the one thing that a format has to do for [`Source`](crate::Source). Each format is a file of its own.

use crate::error::Result;
use crate::place::Mark;
use crate::record::Record;

/// Records of one source.
pub(crate) trait Records: Send {
    /// The next record; `None` at the end, and after an error.
    fn next(&mut self) -> Result<Option<Record>>;

    /// Goes on behind a mark that an earlier reader of the same source gave. Nothing was read yet.
    fn resume(&mut self, mark: &Mark) -> Result<()>;

    /// Which one of several files a mark is in, by the order in which they are read; it is the last one where there is no such file.
    fn file_number(&self, _mark: &Mark) -> usize {
        0
    }
}
